"""How unlike two architectures are in structure, from 0 (the same) to 1, whatever their depths and widths.

Layers are compared at equal shares of the depth, so that a hybrid of 4 layers can be like one of 40. Widths and what the models
read are left out: a space settles both.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise, zip_longest
from typing import Any, Final

from search_spaces.architecture import Architecture
from search_spaces.layer import Layer
from search_spaces.primitives import Primitive
from search_spaces.structure import SECTIONS

LAYERS, DEPTH, OUTLINE = 0.8, 0.1, 0.1
"""What the layers, their number and the rest of the model count for."""
SAME_KIND: Final = 0.5
"""The most that two parts of one kind can differ by; parts of two kinds differ by 1."""
_LEFT_OUT: Final = frozenset((*SECTIONS, "d_model", "input"))


def distance(a: Architecture, b: Architecture) -> float:
    """The distance, which is symmetric."""
    ours, theirs = _passed(a), _passed(b)
    layers = sum(share * _between_layers(ours[one], theirs[other]) for share, one, other in _beside(len(ours), len(theirs)))
    depth = 1 - min(len(ours), len(theirs)) / max(len(ours), len(theirs))
    return LAYERS * layers + DEPTH * depth + OUTLINE * _between(_outline(a), _outline(b))


def _passed(architecture: Architecture) -> tuple[Layer, ...]:
    """The layers that a token passes, each loop again."""
    return architecture.prelude + architecture.core * architecture.n_loops + architecture.coda


def _beside(n: int, m: int) -> Iterator[tuple[float, int, int]]:
    """Shares of the depth with the layers, of n and of m, that cover them."""
    cuts = sorted({*range(0, n * m + 1, n), *range(0, n * m + 1, m)})
    for low, high in pairwise(cuts):
        yield (high - low) / (n * m), low // m, low // n


@lru_cache(maxsize=65_536)
def _between_layers(a: Layer, b: Layer) -> float:
    """The mean over their parts, side by side."""
    parts = [*zip_longest(a.mixers, b.mixers), (a.channel, b.channel)]
    apart = [_between_parts(one, other) for one, other in parts if one is not None or other is not None]
    around = [{name: layer[name] for name in ("fusion", "capacity")} for layer in (a.to_data(), b.to_data())]
    return (sum(apart) + SAME_KIND * _between(*around)) / (len(apart) + SAME_KIND)


@lru_cache(maxsize=65_536)
def _between_parts(a: Primitive | None, b: Primitive | None) -> float:
    if a is None or b is None or a.kind != b.kind:
        return 1.0
    return SAME_KIND * _between(a.to_data(), b.to_data())


def _outline(architecture: Architecture) -> dict[str, Any]:
    return {name: value for name, value in architecture.to_data().items() if name not in _LEFT_OUT}


def _between(a: Any, b: Any) -> float:
    """Of two JSON values: the mean over their fields; numbers differ by how far the smaller is from the larger."""
    if a == b:
        return 0.0
    if isinstance(a, Mapping) and isinstance(b, Mapping) and a.get("kind") == b.get("kind"):
        names = a.keys() | b.keys()
        return sum(_between(a.get(name), b.get(name)) for name in names) / len(names)
    if _is_size(a) and _is_size(b):
        return float(1 - min(a, b) / max(a, b))
    return 1.0


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
