"""What scaling did, in sentences that a person reads before training the result."""

from collections.abc import Iterator

from search_spaces.architecture import Architecture, TokenInput
from search_spaces.document import Document
from search_spaces.primitives import Cost
from search_spaces.scaling.depth import arrange, pattern_length
from search_spaces.scaling.grow import Plan, section_lengths, wide_pairs, widening
from search_spaces.scaling.parts import limit
from search_spaces.scaling.rules import RULES, Rule
from search_spaces.scaling.shape import n_blocks, usual_blocks
from search_spaces.scaling.size import format_size
from search_spaces.scaling.target import ScaleTarget


def statements(before: Architecture, after: Architecture, plan: Plan, cost: Cost, target: ScaleTarget) -> tuple[str, ...]:
    """One sentence for each rule that had something to do, the sizes first, the result last."""
    said = (*_ends(before, after), *_depth(before, plan), *_width(before, plan), *_parts(before, plan), *_shape(after))
    return (*said, _result(cost, target))


def _ends(before: Architecture, after: Architecture) -> Iterator[str]:
    """The vocabulary counts among the parameters, so one that is kept small is said too."""
    old, new = before.input, after.input
    if not isinstance(old, TokenInput) or not isinstance(new, TokenInput):
        return
    if new.vocab_size != old.vocab_size:
        yield f"vocabulary {old.vocab_size:,} -> {new.vocab_size:,} tokens"
    else:
        yield f"vocabulary of {old.vocab_size:,} tokens kept; vocab_size sets another"
    if new.tie_embeddings != old.tie_embeddings:
        yield "the head shares the embedding's table" if new.tie_embeddings else "the head has a table of its own"


def _depth(before: Architecture, plan: Plan) -> Iterator[str]:
    for section, n in section_lengths(before, plan.n_layers).items():
        layers = getattr(before, section)
        if n != len(layers):
            yield f"{section}: {len(layers)} -> {n} layers, {_growth(layers, n, plan)}"
    if before.n_loops > 1:
        yield f"n_loops {before.n_loops} kept"


def _growth(layers: tuple[Document, ...], n: int, plan: Plan) -> str:
    """How the layers were multiplied."""
    if plan.growth == "stretch":
        times = [arrange(layers, n, plan.growth).count(index) for index in range(len(layers))]
        span = f"{min(times)}" if min(times) == max(times) else f"{min(times)} to {max(times)}"
        return f"each stretched to {span} in its place"
    n_whole, n_rest = divmod(n, pattern_length(layers))
    rest = f", then {n_rest} layers of it that keep the ratio nearest" if n_rest else ""
    return f"the pattern of {pattern_length(layers)} stacked {n_whole} times{rest}"


def _width(before: Architecture, plan: Plan) -> Iterator[str]:
    by = widening(before, plan)
    if by.ratio != 1:
        yield f"d_model {before.d_model} -> {plan.width}, {float(by.ratio):.4g} times as wide"
    if by.head_factor != 1:
        why = "there would be more of them than a part may have" if by.head_factor > 1 else "less than one would remain"
        yield f"heads {float(by.head_factor):g} times as large, as {why}"
    if plan.hidden != 1:
        yield f"hidden widths {plan.hidden:.3g} times what the width gives, to meet the target"


def _parts(before: Architecture, plan: Plan) -> tuple[str, ...]:
    """What became of the numbers of each kind of part, equal sentences once."""
    pairs = wide_pairs(before, plan)
    return tuple(dict.fromkeys(_part(old, new) for old, new in pairs if old != new))


def _part(old: Document, new: Document) -> str:
    """`moe: d_expert 64 -> 1024; n_experts 8, top_k 2 kept`: of what is kept, all that is no default."""
    changes, kept = [], []
    for field, rule in RULES[type(old)].items():
        was, now = getattr(old, field), getattr(new, field)
        if rule is Rule.INSIDE or was is None:
            continue
        if was != now:
            changes.append(f"{field} {_shown(was)} -> {_shown(now)}{_at_limit(old, field, rule, now)}")
        elif was != type(old).model_fields[field].default:
            kept.append(f"{field} {_shown(was)}")
    name = getattr(old, "kind", type(old).__name__)
    return f"{name}: {', '.join(changes)}" + (f"; {', '.join(kept)} kept" if kept else "")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " + ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _at_limit(document: Document, field: str, rule: Rule, value: object) -> str:
    capped = rule in (Rule.WIDTH, Rule.ROOT) and value == limit(type(document), field)
    return " (its limit)" if capped else ""


def _shape(after: Architecture) -> Iterator[str]:
    usual = usual_blocks(after.d_model)
    yield f"{n_blocks(after):g} blocks of two sublayers; published models of width {after.d_model:,} have about {usual:.0f}"


def _result(cost: Cost, target: ScaleTarget) -> str:
    """The size reached, and by how much it misses."""
    text = f"{format_size(cost.params)} parameters, {format_size(cost.active_params)} of them active"
    if target.params is None:
        return text
    reached = cost.params if target.counted == "total" else cost.active_params
    miss = reached / target.params - 1
    return f"{text}: {abs(miss):.2%} {'above' if miss > 0 else 'below'} {format_size(target.params)}"
