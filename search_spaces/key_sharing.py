"""Where layers or loops may read each other's keys and values: only what every token has passed can be lent and read."""

from collections.abc import Iterator

from search_spaces.inputs import BytePatchInput
from search_spaces.layer import Layer
from search_spaces.primitives import Problem
from search_spaces.primitives.attention import Attention
from search_spaces.structure import Structure

Keys = tuple[object, ...]


def unshareable_keys(architecture: Structure) -> Iterator[Problem]:
    """Every attention that asks for keys and values it cannot have."""
    for section, layers, looped, skipped in _sections(architecture):
        lent: set[Keys] = set()
        for index, layer in enumerate(layers):
            skips = skipped or layer.capacity is not None or layer.fusion == "route_top1"
            own = {mixer.shared_keys for _, mixer in _attentions(layer) if mixer.lends_keys}
            for branch, mixer in _attentions(layer):
                where = f"{section}[{index}].mixers[{branch}]"
                if mixer.share_kv:
                    yield from _shared(f"{where}.share_kv", mixer.shared_keys, lent, own, skips)
                if mixer.loop_kv == "first":
                    yield from _first_loop(f"{where}.loop_kv", looped, skips)
            lent |= set() if skips else own


def _shared(field: str, wanted: Keys, lent: set[Keys], beside: set[Keys], skips: bool) -> Iterator[Problem]:
    if skips:
        yield Problem(field, "some tokens do not pass the layer, so the keys of another would not fit; use false")
    elif wanted in beside:
        yield Problem(field, "a parallel branch has such keys of its own; share across layers only")
    elif wanted not in lent:
        same = "n_kv_heads, head_dim, window, n_global, rope, rotary_fraction and kv_bits"
        yield Problem(
            field, f"no earlier layer of the section that every token passes has keys of its own with the same {same}"
        )


def _first_loop(field: str, looped: bool, skips: bool) -> Iterator[Problem]:
    if not looped:
        yield Problem(field, "'first' is for the core of a model with n_loops of at least 2; use 'own'")
    elif skips:
        yield Problem(field, "some tokens do not pass every loop of the layer; use 'own'")


def _sections(architecture: Structure) -> Iterator[tuple[str, tuple[Layer, ...], bool, bool]]:
    """Layers that run one after another, with their place, whether they loop, and whether some tokens leave the loops."""
    looped = architecture.n_loops > 1
    yield "prelude", architecture.prelude, False, False
    yield "core", architecture.core, looped, looped and architecture.loop.routed
    yield "coda", architecture.coda, False, False
    if isinstance(architecture.input, BytePatchInput):
        yield "input.within", architecture.input.within, False, False


def _attentions(layer: Layer) -> Iterator[tuple[int, Attention]]:
    """Every attention with the number of its branch."""
    return ((branch, mixer) for branch, mixer in enumerate(layer.mixers) if isinstance(mixer, Attention))
