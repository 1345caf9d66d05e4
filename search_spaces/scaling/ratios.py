"""The ratios that scaling keeps, measured: what share each kind of part has, and its sizes in widths of the model."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from search_spaces.architecture import Architecture, Layer
from search_spaces.primitives import Primitive
from search_spaces.scaling.rules import Rule, fields_with
from search_spaces.scaling.target import Kept
from search_spaces.summary import shares


def ratios(architecture: Architecture) -> Mapping[str, float]:
    """Attention's share with both denominators, each kind's share of the parts, and mean sizes over the width."""
    share = shares(architecture)
    layers = architecture.prelude + architecture.core * architecture.n_loops + architecture.coda
    kinds: Counter[str] = Counter()
    sizes: dict[str, float] = {}
    for layer, times in Counter(layers).items():
        for part, width in _at_widths(layer, architecture.d_model):
            kinds[part.kind] += times
            for name, size in _sizes(part):
                sizes[name] = sizes.get(name, 0.0) + times * size / width
    return {
        "attention / mixers": share.of_mixers,
        "attention / parts": share.of_parts,
        **{f"{kind} / parts": count / share.parts for kind, count in sorted(kinds.items())},
        **{name: total / kinds[name.partition(" ")[0]] for name, total in sorted(sizes.items())},
    }


def _at_widths(layer: Layer, d_model: int) -> Iterator[tuple[Primitive, int]]:
    """The layer's parts, each with the width it works at."""
    yield from zip(layer.mixers, layer.widths_at(d_model), strict=True)
    if layer.channel is not None:
        yield layer.channel, d_model


def kept_between(before: Architecture, after: Architecture) -> tuple[Kept, ...]:
    """Every ratio of one architecture, and what it is in the other."""
    grown = ratios(after)
    return tuple(Kept(name=name, before=value, after=grown.get(name, 0.0)) for name, value in ratios(before).items())


def distortion(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """By how much the worst kept ratio changed, as a logarithm; infinite where a kind of part was lost."""
    pairs = ((value, after.get(name, 0.0)) for name, value in before.items() if value)
    return max((abs(math.log(new / old)) if new else math.inf for old, new in pairs), default=0.0)


def _sizes(part: Primitive) -> Iterator[tuple[str, float]]:
    """What of a part is proportional to the width: all heads together, hidden widths, and other sizes."""
    heads, sizes = fields_with(part, Rule.HEADS), fields_with(part, Rule.HEAD_SIZE)
    if heads and sizes:
        yield f"{part.kind} {heads[0]} x {sizes[-1]} / width", getattr(part, heads[0]) * getattr(part, sizes[-1])
    for field in (*fields_with(part, Rule.HIDDEN), *fields_with(part, Rule.WIDTH)):
        yield f"{part.kind} {field} / width", getattr(part, field)
