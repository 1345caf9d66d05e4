"""Two architectures side by side: what differs, layer by layer and field by field, what each costs, and how each scored.

Everything is computed from two candidates; nothing is read. A score is only set against another where both come from one
protocol at one rung, and a difference is only called one where the intervals do not overlap.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Literal

from nas.alignment import align
from nas.candidates import Candidate, Score
from nas.costs.report import AtContext, at_context, check_contexts
from search_spaces.architecture import Architecture, Layer
from search_spaces.cost import price
from search_spaces.primitives import CostContext, Primitive
from search_spaces.structure import SECTIONS
from search_spaces.summary import layer_label, shares, summarise

CONTEXTS: Final = (1024, 4096, 32_768, 131_072)

Value = str | int | float | bool | None
Change = Literal["same", "changed", "only_a", "only_b"]
Verdict = Literal["a_higher", "b_higher", "tied", "not_comparable", "unscored"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two, by itself; `kinds` counts the parts that a token passes, each loop again."""

    reference: str
    title: str
    digest: str
    summary: str
    causal: bool
    params: int
    active_params: int
    attention_of_mixers: float
    attention_of_parts: float
    kinds: dict[str, int]
    score: Score | None


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that differs; None where one has no such field."""

    field: str
    a: Value
    b: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPair:
    """`count` layers in a row of the one beside as many equal ones of the other."""

    change: Change
    count: int
    a_place: str | None
    """Of the first one, such as `core[3]`."""
    b_place: str | None
    a: str | None
    """In the words of the summary."""
    b: str | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPair:
    """What both cost at one context."""

    context_length: int
    a: AtContext
    b: AtContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two architectures side by side; `verdict` is about scores, and `reason` says it in words."""

    a: Side
    b: Side
    equal: bool
    fields: tuple[Difference, ...]
    """Of the whole model: width, input, norm, loops, numerics, objectives."""
    layers: tuple[LayerPair, ...]
    costs: tuple[CostPair, ...]
    verdict: Verdict
    reason: str


def compare(a: Candidate, b: Candidate, contexts: Sequence[int] = CONTEXTS) -> Comparison:
    """Set two candidates side by side. Raises `Invalid` for impossible context lengths."""
    check_contexts(contexts)
    verdict, reason = _verdict(a.score, b.score)
    return Comparison(
        a=_side(a),
        b=_side(b),
        equal=a.architecture.digest == b.architecture.digest,
        fields=tuple(_differences("", _outline(a.architecture), _outline(b.architecture))),
        layers=tuple(_layers(a.architecture, b.architecture)),
        costs=tuple(
            CostPair(context_length=length, a=at_context(a.architecture, length), b=at_context(b.architecture, length))
            for length in contexts
        ),
        verdict=verdict,
        reason=reason,
    )


def _side(candidate: Candidate) -> Side:
    architecture = candidate.architecture
    cost, share = price(architecture, CostContext(context_length=1)), shares(architecture)
    passed = architecture.prelude + architecture.core * architecture.n_loops + architecture.coda
    return Side(
        reference=candidate.reference,
        title=candidate.title,
        digest=architecture.digest,
        summary=summarise(architecture),
        causal=architecture.causal,
        params=cost.params,
        active_params=cost.active_params,
        attention_of_mixers=share.of_mixers,
        attention_of_parts=share.of_parts,
        kinds=dict(sorted(Counter(part.kind for layer in passed for part in layer.parts()).items())),
        score=candidate.score,
    )


def _outline(architecture: Architecture) -> dict[str, Any]:
    """The document without its layers."""
    return {name: value for name, value in architecture.to_data().items() if name not in SECTIONS}


def _differences(field: str, a: Any, b: Any) -> Iterator[Difference]:
    """Where two JSON values differ, down to what has no parts; things of different kinds have no fields in common."""
    if a == b:
        return
    if isinstance(a, dict) and isinstance(b, dict) and a.get("kind") != b.get("kind"):
        yield Difference(f"{field}.kind", a["kind"], b["kind"])
        return
    branches = _branches(field, a), _branches(field, b)
    for name in dict.fromkeys((*branches[0], *branches[1])):
        if name == field:
            yield Difference(field, branches[0].get(field), branches[1].get(field))
        else:
            yield from _differences(name, branches[0].get(name), branches[1].get(name))


def _branches(field: str, value: Any) -> dict[str, Any]:
    """The parts of a JSON value under their names; one without parts is its own."""
    if isinstance(value, dict):
        return {f"{field}.{name}" if field else name: part for name, part in value.items()}
    if isinstance(value, list):
        return {f"{field}[{at}]": part for at, part in enumerate(value)}
    return {} if value is None else {field: value}


def _layers(a: Architecture, b: Architecture) -> Iterator[LayerPair]:
    """Pairs in order, equal ones in a row as one."""
    ours, theirs = list(a.placed_layers()), list(b.placed_layers())
    pairs = align([layer for _, layer in ours], [layer for _, layer in theirs], _kinds)
    placed = [(None if one is None else ours[one], None if other is None else theirs[other]) for one, other in pairs]
    for _, run in groupby(placed, key=lambda each: tuple(None if side is None else side[1] for side in each)):
        rows = list(run)
        yield _pair(*rows[0], len(rows))


def _kinds(layer: Layer) -> tuple[str, ...]:
    """Layers of the same kinds of parts belong together."""
    return tuple(part.kind for part in layer.parts())


def _pair(a: tuple[str, Layer] | None, b: tuple[str, Layer] | None, count: int) -> LayerPair:
    differences = tuple(_of_layers(a[1], b[1])) if a and b else ()
    return LayerPair(
        change="only_b" if a is None else "only_a" if b is None else "changed" if a[1] != b[1] else "same",
        count=count,
        a_place=a[0] if a else None,
        b_place=b[0] if b else None,
        a=layer_label(a[1]) if a else None,
        b=layer_label(b[1]) if b else None,
        differences=differences,
    )


def _of_layers(a: Layer, b: Layer) -> Iterator[Difference]:
    """Fields of parts of one kind; parts of different kinds as a whole; then what the layer itself says."""
    ours, theirs = _parts(a), _parts(b)
    for name in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(name), theirs.get(name)
        if one is not None and other is not None and one.kind == other.kind:
            yield from _differences(name, one.to_data(), other.to_data())
        else:
            yield Difference(name, one.label() if one else None, other.label() if other else None)
    for field in ("fusion", "widths", "capacity"):
        yield from _differences(field, a.to_data()[field], b.to_data()[field])


def _parts(layer: Layer) -> dict[str, Primitive]:
    """By their places in the layer."""
    mixers: dict[str, Primitive] = {f"mixers[{at}]": mixer for at, mixer in enumerate(layer.mixers)}
    return mixers if layer.channel is None else {**mixers, "channel": layer.channel}


def _verdict(a: Score | None, b: Score | None) -> tuple[Verdict, str]:
    """What the scores allow to say, and why no more."""
    if a is None or b is None:
        return "unscored", "scores belong to trials; this compares structure and cost"
    if a.protocol != b.protocol:
        return "not_comparable", "the scores come from different protocols, so they answer different questions"
    if a.score is None or b.score is None:
        return "unscored", _unscored(a, b)
    if a.rung != b.rung:
        return "not_comparable", f"the scores come from different rungs, {a.rung} and {b.rung}: different training budgets"
    return _ranked(a, b)


def _unscored(a: Score, b: Score) -> str:
    """Whose score is missing, and the state that explains it."""
    if a.score is None and b.score is None:
        return f"neither has a score: {a.state} and {b.state}"
    name, side = ("first", a) if a.score is None else ("second", b)
    return f"the {name} has no score: {side.state}"


def _ranked(a: Score, b: Score) -> tuple[Verdict, str]:
    """Of two scores from one protocol and rung."""
    sample = "" if a.interval == b.interval == "replicas" else "; they cover the draw of the test set, not new seeds"
    low, high = sorted((a, b), key=lambda side: side.score or 0.0)
    if (low.score_high or 0.0) >= (high.score_low or 0.0):
        return "tied", f"the 95 % intervals overlap: the scores are not told apart{sample}"
    verdict: Verdict = "a_higher" if high is a else "b_higher"
    name = "first" if high is a else "second"
    return verdict, f"the {name} scores higher; the 95 % intervals do not overlap{sample}"
