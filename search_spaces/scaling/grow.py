"""A whole architecture at another width and depth: every part by its rules, every section by its pattern."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from pydantic import ValidationError

from search_spaces.architecture import MAX_UNROLLED_LAYERS, Architecture, BytePatchInput, Layer, TokenInput
from search_spaces.document import Document
from search_spaces.primitives import Primitive
from search_spaces.scaling.depth import arrange, default_growth, share_out, whole_steps
from search_spaces.scaling.parts import Widening, changed, head_counts, head_limit, takes_head_dim, widen
from search_spaces.scaling.rules import Rule, fields_with
from search_spaces.scaling.target import Growth, ScaleTarget, ScalingError
from search_spaces.structure import SECTIONS

SPLIT_STEP = 8
MIN_WIDTH, MAX_WIDTH = 4, 65_536
LEAST_HEAD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes that are solved for: `hidden` is how many times as wide, for their width, hidden layers become."""

    width: int
    n_layers: int
    growth: Growth
    hidden: float = 1.0
    head_dim: int | None = None


def growth_of(architecture: Architecture, asked: Growth | None) -> Growth:
    """How the depth grows: as asked, or as fits the core's pattern."""
    return asked or default_growth(architecture.core)


def with_ends(architecture: Architecture, target: ScaleTarget) -> Architecture:
    """The same layers with the vocabulary and the head that the target asks for. Raises ScalingError where there is none."""
    asked = {"vocab_size": target.vocab_size, "tie_embeddings": target.tie_embeddings}
    changes = {field: value for field, value in asked.items() if value is not None}
    source = architecture.input
    for field in changes:
        if not isinstance(source, TokenInput):
            raise ScalingError(field, f"the model reads {source.kind!r}, not tokens of a vocabulary; leave it out")
    try:
        return changed(architecture, {"input": changed(source, changes)})
    except ValidationError as error:
        raise ScalingError("vocab_size", error.errors()[0]["msg"]) from None


def sections_of(architecture: Architecture) -> tuple[tuple[Layer, ...], ...]:
    """Every row of layers that grows in depth: prelude, core, coda, and the layers within a byte patch."""
    within = architecture.input.within if isinstance(architecture.input, BytePatchInput) else ()
    return architecture.prelude, architecture.core, architecture.coda, within


def whole_step(architecture: Architecture, growth: Growth) -> int:
    """The depths that have whole patterns only, in every section, are the multiples of this many layers."""
    return len(architecture.layers()) // whole_steps(sections_of(architecture), growth)


def most_layers(architecture: Architecture) -> int:
    """How many layers the model may have: as many as may be unrolled, with its loops."""
    return MAX_UNROLLED_LAYERS * len(architecture.layers()) // architecture.n_unrolled_layers


def check_limits(architecture: Architecture, target: ScaleTarget) -> None:
    """Raise ScalingError where the target asks for what no architecture, or not this one, can have."""
    least, most = sum(bool(getattr(architecture, section)) for section in SECTIONS), most_layers(architecture)
    if target.depth is not None and not least <= target.depth <= most:
        loops = f" with {architecture.n_loops} loops" if architecture.n_loops > 1 else ""
        raise ScalingError("depth", f"{target.depth} layers; this model can have {least} to {most}{loops}")
    if target.width is not None and not MIN_WIDTH <= target.width <= MAX_WIDTH:
        raise ScalingError("width", f"d_model {target.width} must be {MIN_WIDTH} to {MAX_WIDTH:,}")
    if target.head_dim is not None and not any(map(takes_head_dim, parts_of(architecture))):
        raise ScalingError("head_dim", "the model has no softmax attention whose heads have one size; leave it out")


def grow(architecture: Architecture, plan: Plan) -> Architecture:
    """The architecture at the plan's sizes. Raises `pydantic.ValidationError` where there is no such model."""
    by = widening(architecture, plan)
    wide = {layer: _wide_layer(layer, by) for layer in set(architecture.layers())}
    rows = {
        section: tuple(wide[layer] for layer in _deep(getattr(architecture, section), n, plan.growth))
        for section, n in section_lengths(architecture, plan.n_layers).items()
    }
    latent = architecture.next_latent
    ends = {
        "d_model": plan.width,
        "input": _wide_input(architecture, by, plan),
        "next_latent": widen(latent, by) if latent else None,
    }
    return changed(architecture, {**ends, **rows})


def section_lengths(architecture: Architecture, n_layers: int) -> dict[str, int]:
    """The new number of layers of each section that has any, in the old ratio."""
    lengths = {section: len(getattr(architecture, section)) for section in SECTIONS}
    held = {section: length for section, length in lengths.items() if length}
    return dict(zip(held, share_out(n_layers, tuple(held.values()), least=1), strict=True))


def _deep(layers: tuple[Layer, ...], n: int, growth: Growth) -> Iterator[Layer]:
    return (layers[index] for index in arrange(layers, n, growth))


def widening(architecture: Architecture, plan: Plan) -> Widening:
    """What the plan means for every part that works at the model's width."""
    by = Widening(before=architecture.d_model, after=plan.width, hidden=plan.hidden, head_dim=plan.head_dim)
    return replace(by, head_factor=_head_factor(architecture, by))


def parts_of(architecture: Architecture) -> tuple[Primitive, ...]:
    """Every different part, those within a byte patch too, in order."""
    parts = (part for layers in sections_of(architecture) for layer in layers for part in layer.parts())
    return tuple(dict.fromkeys(parts))


def _head_factor(architecture: Architecture, by: Widening) -> Fraction:
    """How much larger all heads become: a power of two, one for the whole model, so that shared keys still fit.

    Above 1 where a part would have too many heads, below it where fewer than one head, or one of its key heads, would remain.
    """
    parts = [part for part in parts_of(architecture) if not (by.head_dim is not None and takes_head_dim(part))]
    counts = [(head_counts(part), head_limit(part)) for part in parts if head_limit(part) is not None]
    sizes = [getattr(part, field) for part in parts for field in fields_with(part, Rule.HEAD_SIZE)]
    factor = Fraction(1)
    while any(n_heads * by.ratio > factor * limit for (n_heads, _), limit in counts if limit is not None):
        factor *= 2
    while any(n_least * by.ratio < factor for (_, n_least), _ in counts) and min(sizes) * factor >= 2 * LEAST_HEAD:
        factor /= 2
    return factor


def _wide_layer(layer: Layer, by: Widening) -> Layer:
    """Every mixer at the width it works at, the channel part at the model's."""
    widths = _split(layer.widths, by) if layer.widths else None
    before, after = layer.widths_at(by.before), widths or (by.after,) * len(layer.mixers)
    mixers = tuple(
        widen(mixer, replace(by, before=old, after=new)) for mixer, old, new in zip(layer.mixers, before, after, strict=True)
    )
    channel = widen(layer.channel, by) if layer.channel else None
    return changed(layer, {"mixers": mixers, "widths": widths, "channel": channel})


def _split(widths: tuple[int, ...], by: Widening) -> tuple[int, ...]:
    """The new width in the old shares: in multiples of 8 where the new width is one, and each branch has some."""
    if by.ratio == 1:
        return widths
    step = SPLIT_STEP if by.after % SPLIT_STEP == 0 and by.after >= SPLIT_STEP * len(widths) else 1
    return tuple(step * part for part in share_out(by.after // step, widths, least=1))


def _wide_input(architecture: Architecture, by: Widening, plan: Plan) -> object:
    """The input; within a byte patch the width grows as the model's, and the layers as the model's layers."""
    source = architecture.input
    if not isinstance(source, BytePatchInput):
        return source
    wider = widen(source, by)
    inside = replace(by, before=source.d_byte, after=wider.d_byte)
    wide = {layer: _wide_layer(layer, inside) for layer in set(source.within)}
    n = max(1, round(Fraction(len(source.within) * plan.n_layers, len(architecture.layers()))))
    return changed(wider, {"within": tuple(wide[layer] for layer in _deep(source.within, n, plan.growth))})


def wide_pairs(architecture: Architecture, plan: Plan) -> Iterator[tuple[Document, Document]]:
    """Every different part, and split layer, beside what becomes of it, those within a byte patch included."""
    by = widening(architecture, plan)
    yield from _layer_pairs(architecture.layers(), by)
    source = architecture.input
    if isinstance(source, BytePatchInput):
        wider = widen(source, by)
        yield source, wider
        yield from _layer_pairs(source.within, replace(by, before=source.d_byte, after=wider.d_byte))
    if architecture.next_latent is not None:
        yield architecture.next_latent, widen(architecture.next_latent, by)


def _layer_pairs(layers: tuple[Layer, ...], by: Widening) -> Iterator[tuple[Document, Document]]:
    for layer in dict.fromkeys(layers):
        wide = _wide_layer(layer, by)
        if layer.widths is not None:
            yield layer, wide
        yield from zip(layer.parts(), wide.parts(), strict=True)
