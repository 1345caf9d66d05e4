"""Where layers with attention stand, in macro mode: by ratio and placement, or listed."""

from search_spaces.genes import Facts, Gene, GeneValue, LayerList, Number, OneOf, layer_list
from search_spaces.options.option import Assignment

MAX_MACRO_DEPTH = 256


def attention_count(depth: int, ratio: GeneValue) -> int:
    """Layers with attention at a ratio: the nearest whole number, halves rounded up."""
    return int(float(ratio) * depth + 0.5)


def attention_layers(assignment: Assignment) -> frozenset[int]:
    """Positions of the layers with attention."""
    placement, depth = assignment["placement"], int(assignment["depth"])
    if placement == "explicit":
        return frozenset(layer_list(assignment["attention_layers"]))
    count = attention_count(depth, assignment["attention_ratio"])
    if placement == "interleaved":
        # the middle of each of `count` equal stretches: 1 of 8 is position 4, where Jamba has it
        return frozenset((2 * index + 1) * depth // (2 * count) for index in range(count))
    start = {"bottom": 0, "middle": (depth - count) // 2, "top": depth - count}[str(placement)]
    return frozenset(range(start, start + count))


def _learn_placement(facts: Facts, value: GeneValue) -> Facts:
    return facts.learning({"explicit" if value == "explicit" else "ratio"})


def _learn_ratio(facts: Facts, value: GeneValue) -> Facts:
    return _learn_attention(facts, attention_count(facts.depth, value))


def _learn_layers(facts: Facts, value: GeneValue) -> Facts:
    return _learn_attention(facts, len(layer_list(value)))


def _learn_attention(facts: Facts, count: int) -> Facts:
    found = [*(["slot"] if count else []), *(["linear"] if count < facts.depth else [])]
    return Facts(facts.known.union(found))


GENES = (
    Gene(
        name="placement",
        title="Where the layers with attention stand; bottom is next to the input",
        limits=OneOf(("interleaved", "bottom", "middle", "top", "explicit")),
        default="interleaved",
        learn=_learn_placement,
    ),
    Gene(
        name="attention_ratio",
        title="Share of the layers that have attention, rounded to whole layers",
        limits=Number(0, 1, whole=False),
        default=0.25,
        needs="ratio",
        learn=_learn_ratio,
    ),
    Gene(
        name="attention_layers",
        title="Positions of the layers that have attention",
        limits=LayerList(MAX_MACRO_DEPTH),
        default="",
        needs="explicit",
        learn=_learn_layers,
    ),
)
