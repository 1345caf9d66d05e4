"""For which models the width-transfer rules (muP) are known to hold: a learning rate that moves to another width must be right.

Known: softmax attention and dense feed-forward parts (arXiv 2203.03466; with gated units and RMSNorm, 2407.17465). Short
convolutions, whose taps do not grow with the width, pass the coordinate check of `tests/workers/test_width_transfer.py`.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from search_spaces.allowed import Range
from search_spaces.architecture import Architecture, BytePatchInput
from search_spaces.genes import GeneValue, shown
from search_spaces.layer import Layer
from search_spaces.loop import Loop
from search_spaces.numerics import Numerics
from search_spaces.options import recurrence
from search_spaces.primitives import Primitive, Problem
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.space import Space

TRANSFERABLE: Final = (Attention, BidirectionalAttention, ShortConv, SwiGLU, ReLU2)

_STATE_SPACE = "muP does not carry over to state-space mixers (Vankadara et al., NeurIPS 2024)"
_ROUTED = "a router's width is its number of experts, for which these rules say nothing"
_LINEAR = "decays, writes and states of linear recurrences need rules of their own (Gated DeltaNet: arXiv 2606.04048)"
REASONS: Final[dict[str, str]] = {
    **dict.fromkeys((*recurrence.OPTIONS, "rg_lru", "rwkv4", "rwkv6", "rwkv7"), _LINEAR),
    **dict.fromkeys(("mamba", "mamba2", "s4d", "h3"), _STATE_SPACE),
    **dict.fromkeys(("moe", "moe_fine", "moe_shared", "switch"), _ROUTED),
}
"""Why not, by primitive or word of a gene, where something is known; of others nobody has shown it."""

_UNKNOWN = "nobody has shown that muP holds for it"
_ADVICE = "leave width_transfer out, or use attention, short_conv and dense channel parts"
"""What a person can do."""


def untransferable(architecture: Architecture) -> Problem | None:
    """The first field of an architecture for which the rules are not known to hold; None when they are for all of them."""
    return next(_problems(architecture), None)


def untransferable_gene(space: Space) -> Problem | None:
    """The same of a space: the place in its document, such as `genes/linear_mixer`, that allows it."""
    return next(chain(_mixer_problems(space), _gene_problems(space)), None)


def _problems(architecture: Architecture) -> Iterator[Problem]:
    for where, layer in architecture.placed_layers():
        for field, wrong in _layer_options(layer).items():
            if wrong:
                yield _unknown(f"{where}.{field}", field)
    for where, part in architecture.parts():
        yield from _part_problems(where, part)
    for field, wrong in _model_options(architecture).items():
        if wrong:
            yield _unknown(field, field)


def _part_problems(where: str, part: Primitive) -> Iterator[Problem]:
    if not isinstance(part, TRANSFERABLE):
        yield Problem(where, f"{part.kind}: {REASONS.get(part.kind, _UNKNOWN)}; {_ADVICE}")
    for field in ("top_k", "n_active", "loop_window"):
        if getattr(part, field, None) is not None:
            yield _unknown(f"{where}.{field}", field)


def _layer_options(layer: Layer) -> dict[str, bool]:
    return {"fusion": layer.fusion != "add", "widths": layer.widths is not None, "capacity": layer.capacity is not None}


def _model_options(architecture: Architecture) -> dict[str, bool]:
    return {
        "input": isinstance(architecture.input, BytePatchInput),
        "n_loops": architecture.n_loops > 1,
        "loop": architecture.loop != Loop(),
        "norm": architecture.norm not in ("rms", "layer"),
        "n_streams": architecture.n_streams > 1,
        "numerics": architecture.numerics != Numerics(),
        "mtp": architecture.mtp is not None,
        "next_latent": architecture.next_latent is not None,
    }


def _unknown(place: str, name: str) -> Problem:
    return Problem(place, f"{name}: {_UNKNOWN}; leave width_transfer out, or this")


MIXERS: Final = ("attention", "bidirectional_attention", "short_conv")
GENES: Final[dict[str, tuple[GeneValue, ...]]] = {
    "channel": ("none", "dense", "geglu", "relu2_glu", "relu2"),
    "fusion": ("serial", "parallel_add"),
    "pattern": ("dense", "strided", "fixed", "bigbird"),
    "active_neurons": (1.0,),
    "token_capacity": (1.0,),
    "n_loops": (1,),
    "norm": ("rms", "layer", "sub"),
    "weight_format": ("float",),
    "sparsity": ("none",),
    "n_streams": (1,),
    "mtp": (0,),
    "next_latent": (False,),
}
"""Words and values of genes that the rules hold for; they hold for every value of the genes that are not here."""


def _mixer_problems(space: Space) -> Iterator[Problem]:
    for mixer in space.mixers:
        if mixer not in MIXERS:
            place = "/".join(("genes", *space.genes_with(mixer)[:1]))
            yield Problem(place, f"{mixer}: {REASONS.get(mixer, _UNKNOWN)}; {_ADVICE}")


def _gene_problems(space: Space) -> Iterator[Problem]:
    for gene, values in space.genes.items():
        name = gene.rpartition(".")[2]
        allowed = (values.low, values.high) if isinstance(values, Range) else values
        wrong = [value for value in allowed if name in GENES and value not in GENES[name]]
        if wrong:
            reason = REASONS.get(str(wrong[0]), _UNKNOWN)
            yield Problem(f"genes/{gene}", f"{name} {shown(wrong[0])}: {reason}; leave width_transfer out, or this value")
    if isinstance(space.input, BytePatchInput):
        yield _unknown("input", space.input.kind)
