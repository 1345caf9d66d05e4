"""One readable line for an architecture, and its share of attention with both denominators.

    d64 · [conv3 | ffn128]×3 → [attn4/2 | moe8k2x64]

Equal layers in a row are folded, and so is a whole row that repeats. Parallel mixers are joined by `+`: in angle brackets where
they are averaged after norms, behind `gate`, `soft` or `top1` where gates or a router join them, each with its width where
they split the channels. `@0.125` is the share of tokens that pass a layer. Before the layers stands what holds for all of them,
behind them what is predicted beside the next token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Input, Layer, Loop, Numerics

FUSIONS = {"add": "{}", "norm_mean": "⟨{}⟩", "gate": "gate({})", "route_soft": "soft({})", "route_top1": "top1({})"}
NORMS = {"rms": "", "layer": "layer norm", "dyt": "dyt", "l1": "l1 norm"}


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a model is attention, counted over the layers a token passes: each loop counts again."""

    attention: int
    mixers: int
    parts: int

    @property
    def of_mixers(self) -> float:
        """Attention among mixers; 0 without mixers."""
        return self.attention / self.mixers if self.mixers else 0.0

    @property
    def of_parts(self) -> float:
        """Attention among all parts, channel parts included, as when every part is called a layer."""
        return self.attention / self.parts


def shares(architecture: Architecture) -> Shares:
    """Count attention of every kind, mixers and parts; layers within a byte patch are left out."""
    layers = architecture.prelude + architecture.core * architecture.n_loops + architecture.coda
    mixers = [mixer for layer in layers for mixer in layer.mixers]
    attention = sum(mixer.is_attention for mixer in mixers)
    return Shares(attention=attention, mixers=len(mixers), parts=sum(len(layer.parts()) for layer in layers))


def summarise(architecture: Architecture) -> str:
    """The architecture in one line; of the input only what is no plain token."""
    meta = f"meta{architecture.n_meta}" if architecture.n_meta else ""
    sections = [meta, _sequence(architecture.prelude), _core(architecture), _sequence(architecture.coda)]
    layers = " → ".join(section for section in sections if section)
    return " · ".join(text for text in (*_before(architecture), layers, *_objectives(architecture)) if text)


def _before(architecture: Architecture) -> tuple[str, ...]:
    """What holds for the whole model."""
    streams = f"{architecture.n_streams} streams" if architecture.n_streams > 1 else ""
    numerics = _numerics(architecture.numerics)
    return f"d{architecture.d_model}", streams, NORMS[architecture.norm], numerics, _input(architecture.input)


def _numerics(numerics: Numerics) -> str:
    """`ternary×int8` are weights and activations; `2:4` a mask."""
    formats = numerics.weights + (f"×{numerics.activations}" if numerics.activations != "float" else "")
    marks = (formats if numerics.weights != "float" else "", numerics.sparsity if numerics.sparsity != "none" else "")
    return " ".join(mark for mark in marks if mark)


def _input(source: Input) -> str:
    """`bytes4·d32([...])`: patches of 4 bytes and the layers within them, 32 wide."""
    if isinstance(source, BytePatchInput):
        return f"bytes{source.patch_size}·d{source.d_byte}({_sequence(source.within)})"
    if isinstance(source, ContinuousInput):
        return f"{source.n_channels} channels"
    return "rosa" if source.rosa else ""


def _objectives(architecture: Architecture) -> tuple[str, ...]:
    """`mtp1`: one token beyond the next; `latent128`: the next hidden state, by a network 128 wide."""
    mtp, latent = architecture.mtp, architecture.next_latent
    return f"mtp{mtp.n_tokens}" if mtp else "", f"latent{latent.d_hidden}" if latent else ""


def _core(architecture: Architecture) -> str:
    """`loop(...)×2/4‖input·norm`: trained with 2 loops, evaluated with 4, the input beside the stream, its options."""
    core, loop = _sequence(architecture.core), architecture.loop
    if architecture.n_loops == 1:
        return core
    evaluated = f"/{loop.eval_loops}" if loop.eval_loops else ""
    joined = {"none": "", "add": "+input", "concat": "‖input"}[architecture.injection]
    return f"loop({core})×{architecture.n_loops}{evaluated}{joined}{_loop_options(loop)}"


def _loop_options(loop: Loop) -> str:
    """Each with a dot before; a depth with the shares of tokens that later loops take, where they are said."""
    capacities = f"({', '.join(f'{share:g}' for share in loop.capacities)})" if loop.capacities else ""
    depth = loop.depth + capacities
    marks = {"norm": loop.norm, "steps": loop.step_embedding, "shift": loop.shift, depth: loop.depth != "fixed"}
    return "".join(f"·{mark}" for mark, said in marks.items() if said)


def _sequence(layers: Sequence[Layer]) -> str:
    # a layer that is at many positions is one value
    known = {id(layer): layer for layer in layers}
    label_of = {identity: layer_label(layer) for identity, layer in known.items()}
    labels = [label_of[id(layer)] for layer in layers]
    period = _period(labels)
    if 1 < period < len(labels):
        return f"({_folded(labels[:period])})×{len(labels) // period}"
    return _folded(labels)


def _period(labels: Sequence[str]) -> int:
    """The length of the shortest row that repeats to give all; that of all when none does."""
    n = len(labels)
    return next((p for p in range(1, n) if n % p == 0 and all(labels[i] == labels[i - p] for i in range(p, n))), n)


def _folded(labels: Sequence[str]) -> str:
    runs = ((label, len(list(run))) for label, run in groupby(labels))
    return " → ".join(label + (f"×{count}" if count > 1 else "") for label, count in runs)


def layer_label(layer: Layer) -> str:
    """One layer: `[attn4/2 | moe8k2x64]`."""
    widths = [f":{width}" for width in layer.widths] if layer.widths else [""] * len(layer.mixers)
    branches = "+".join(mixer.label() + width for mixer, width in zip(layer.mixers, widths, strict=True))
    parts = (FUSIONS[layer.fusion].format(branches), layer.channel.label() if layer.channel else "")
    capacity = f"@{layer.capacity:g}" if layer.capacity is not None else ""
    return f"[{' | '.join(text for text in parts if text)}]{capacity}"
