"""What a gene is: one named decision of a space, with its limits, its default and its condition.

A gene is decided after the genes above it and is active iff the fact it `needs`, if any, is known by then. Suggesting,
sampling, membership, counting and validation are all the same walk down the list in `catalogue.py`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

Mode = Literal["macro", "micro"]
GeneValue = bool | int | float | str

CONDITIONS = {
    "ratio": "placement is not explicit",
    "explicit": "placement is explicit",
    "slot": "some layer has attention",
    "linear": "some layer has a linear mixer",
    "parallel": "some layer has parallel mixers",
    "softmax": "some layer is attention of some kind",
    "kv_heads": "some layer is attention or bidirectional_attention",
    "rotary": "some layer is attention, mla or bidirectional_attention",
    "turned": "rope is true",
    "cache": "some layer is attention or mla",
    "plain": "pattern is dense",
    "window": "window is above 0",
    "stride": "pattern is strided or fixed",
    "fixed": "pattern is fixed",
    "bigbird": "pattern is bigbird",
    "kept": "pattern is top_k",
    "max_length": "some layer is linformer or hyena",
    "heads": "some layer is a recurrence with heads",
    "state": "some layer is a recurrence or a state-space mixer",
    "expand": "some layer has an inner width of its own",
    "conv": "some layer has a short convolution before its own work",
    "lora": "some layer is rwkv6 or rwkv7",
    "delta": "some layer is deltanet or gated_deltanet",
    "rec_add": "rec_write is add",
    "rec_positive": "rec_feature_map is not none",
    "channel": "some layer has a channel part",
    "neurons": "some channel part is dense",
    "moe": "some channel part has experts",
    "chosen": "some channel part is moe, moe_fine or moe_shared",
    "fine": "some channel part is moe_fine or moe_shared",
    "shared": "some channel part is moe_shared",
    "switch": "some channel part is switch",
    "skipping": "token_capacity is below 1",
    "loops": "n_loops is above 1",
    "injection": "injection is not none",
    "whole_loops": "loop_depth is fixed or halting",
    "first_keys": "loop_kv is first",
    "low_bit": "weight_format is not float",
}
"""What some facts mean; the others are words of mixers and channel parts, and mean that some layer is that."""


class Facts(NamedTuple):
    """What genes need to know of those above them. `depth` is forgotten (0) once no gene below asks for it."""

    known: frozenset[str] = frozenset()
    depth: int = 0

    def learning(self, facts: Iterable[str]) -> "Facts":
        """The same and `facts`, such as the keys of `CONDITIONS`."""
        return Facts(self.known.union(facts), self.depth)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Limits of a gene that is one of a few words or numbers, or true or false."""

    words: tuple[str | bool | int, ...]

    def parse(self, value: GeneValue) -> GeneValue:
        """The value as the catalogue has it. Raises ValueError."""
        for word in self.words:
            if type(word) is type(value) and word == value:
                return word
        raise ValueError(f"{shown(value)} is not one of {self}")

    def __str__(self) -> str:
        return ", ".join(shown(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Number:
    """Limits of a numeric gene, both ends included; `words` are allowed beside the numbers."""

    low: int | float
    high: int | float
    whole: bool = True
    words: tuple[str, ...] = ()

    def parse(self, value: GeneValue) -> GeneValue:
        """The value, as a float where the gene is not whole. Raises ValueError."""
        if isinstance(value, str) and value in self.words:
            return value
        fits = isinstance(value, int) if self.whole else isinstance(value, int | float)
        if isinstance(value, bool | str) or not fits or not self.low <= value <= self.high:
            raise ValueError(f"{shown(value)} is not {self}")
        return value if self.whole else float(value)

    def __str__(self) -> str:
        kind = "an integer" if self.whole else "a number"
        return f"{kind} from {self.low} to {self.high}" + "".join(f", or {shown(word)}" for word in self.words)


@dataclass(frozen=True, slots=True)
class LayerList:
    """Limits of a gene that lists layer positions in one string: `"0,3"`; `""` lists none."""

    n_layers: int

    def parse(self, value: GeneValue) -> GeneValue:
        """The value itself. Raises ValueError."""
        if not isinstance(value, str) or not re.fullmatch(r"((0|[1-9]\d{0,3})(,(0|[1-9]\d{0,3}))*)?", value):
            raise ValueError(f"{shown(value)} is not {self}")
        positions = layer_list(value)
        if any(low >= high for low, high in pairwise(positions)) or max(positions, default=0) >= self.n_layers:
            raise ValueError(f"{shown(value)} is not {self}")
        return value

    def __str__(self) -> str:
        return f'rising positions from 0 to {self.n_layers - 1} such as "0,3"; "" for none'


Limits = OneOf | Number | LayerList


@dataclass(frozen=True, slots=True, kw_only=True)
class Gene:
    """One decision. `layer` is a micro gene's position.

    `learn` tells the genes below what a value means for them; it only adds facts. With `switch` it tells the gene's least value
    from all others, and nothing more.
    """

    name: str
    title: str
    limits: Limits
    default: GeneValue
    needs: str = ""
    layer: int | None = None
    learn: Callable[[Facts, GeneValue], Facts] | None = None
    switch: bool = False

    def active(self, facts: Facts) -> bool:
        """Whether this decision has to be made, after the decisions that `facts` come from."""
        return (not self.needs or self.needs in facts.known) and self.within(facts.depth)

    def within(self, depth: int) -> bool:
        """Whether a model of so many layers has the position that this decides on; True for other genes."""
        return self.layer is None or self.layer < depth

    def kinds(self, values: Sequence[GeneValue]) -> Iterator[tuple[GeneValue, int]]:
        """Of sorted values, one of each kind that `learn` may tell from others, with how many there are of the kind."""
        apart = len(values) if self.learn and not self.switch else 1 if self.switch else 0
        yield from ((value, 1) for value in values[:apart])
        if len(values) > apart:
            yield values[-1], len(values) - apart

    @property
    def everywhere(self) -> str:
        """The name that stands for this gene at every position: `layer*.mixer`; empty for other genes."""
        return "" if self.layer is None else f"layer*.{self.name.partition('.')[2]}"

    @property
    def condition(self) -> str:
        """When the gene is active, as text; empty for always."""
        if self.layer is not None:
            return f"depth is above {self.layer}"
        return CONDITIONS.get(self.needs, f"some layer is {self.needs}") if self.needs else ""


def shown(value: object) -> str:
    """A value as JSON writes it, cut short: it may come from a request."""
    text = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def listed(values: Sequence[GeneValue], most: int = 8) -> str:
    """The first values, as JSON writes them."""
    return ", ".join(shown(value) for value in values[:most]) + (", ..." if len(values) > most else "")


def layer_list(value: GeneValue) -> tuple[int, ...]:
    """Positions of an `attention_layers` value."""
    return tuple(int(position) for position in str(value).split(",") if position)
