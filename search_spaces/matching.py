"""An architecture brought to a given cost, so that a comparison is at equal cost: by its FFN width, or by its state size.

Every hidden width grows by one factor, found by bisection over the exact integer cost. Among the widths that meet the target
those with the largest power of two in them are taken, up to 64: hardware likes them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from pydantic import ValidationError

from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.document import Document
from search_spaces.layer import Layer
from search_spaces.primitives import CostContext, Primitive
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7
from search_spaces.primitives.s4d import S4D
from search_spaces.scaling.parts import changed, limit
from search_spaces.scaling.rules import Rule, fields_with
from search_spaces.structure import SECTIONS

MatchedCost = Literal["params", "active_params", "flops_per_token", "state_bytes"]

STATE_SIZES: Final[Mapping[type[Primitive], str]] = {
    Recurrence: "key_dim",
    RWKV6: "head_dim",
    RWKV7: "head_dim",
    Mamba: "state_size",
    S4D: "state_size",
    H3: "state_size",
}
"""The number of each recurrence that its state grows with."""

_STEPS: Final = (64, 32, 16, 8, 4, 2, 1)


class Unmatched(ValueError):
    """No size that may be changed brings the architecture to the target; the message says what comes nearest."""


@dataclass(frozen=True, slots=True)
class Target:
    """The cost to reach, from `amount` less the share `tolerance` to as much more."""

    metric: MatchedCost
    amount: int
    tolerance: float

    def miss(self, cost: int) -> float:
        """The share of the amount by which a cost misses it."""
        return abs(cost / self.amount - 1)

    def met(self, cost: int) -> bool:
        """Whether a cost is near enough."""
        return self.miss(cost) <= self.tolerance


def match(architecture: Architecture, target: Target, context: CostContext) -> Architecture:
    """The architecture at the target's cost; itself where it is there already. Raises `Unmatched`."""
    own = _cost(architecture, target, context)
    if target.met(own):
        return architecture
    search = _Search(architecture, target, context)
    if not search.sizes:
        raise Unmatched(f"{target.metric} is {own:,} and should be {target.amount:,}: {search.missing}")
    finest = search.steps[-1]
    nearest = search.crossing(finest)
    for step in search.steps:
        at = max(1, nearest * finest // step)
        for n in sorted((at, at + 1), key=lambda n: target.miss(search.cost(n, step))):
            found = search.built(n, step) if target.met(search.cost(n, step)) else None
            if found is not None:
                return found
    raise Unmatched(search.refusal(nearest, finest))


def _cost(architecture: Architecture, target: Target, context: CostContext) -> int:
    return int(getattr(price(architecture, context), target.metric))


@dataclass(frozen=True)
class _Search:
    """The sizes that one target is solved by: the widest part has `n` steps, the others nearly keep their ratio to it."""

    architecture: Architecture
    target: Target
    context: CostContext

    @property
    def _by_state(self) -> bool:
        return self.target.metric == "state_bytes"

    @property
    def missing(self) -> str:
        """Why there is nothing to change."""
        if self._by_state:
            return "the model has no recurrence whose state could be larger or smaller"
        return "the model has no FFN, dense or of experts, that could be wider or narrower"

    @property
    def steps(self) -> tuple[int, ...]:
        """Sizes are multiples of these, the preferred ones first; a state's is even."""
        return _STEPS[:-1] if self._by_state else _STEPS

    @cached_property
    def sizes(self) -> tuple[tuple[Primitive, str], ...]:
        """Every different part with the field that may change."""
        parts = dict.fromkeys(part for layer in self.architecture.layers() for part in layer.parts())
        return tuple((part, field) for part in parts for field in self._fields(part))

    @cached_property
    def _widest(self) -> int:
        return int(max(getattr(part, field) for part, field in self.sizes))

    def _fields(self, part: Primitive) -> tuple[str, ...]:
        if not self._by_state:
            return fields_with(part, Rule.HIDDEN)
        state = STATE_SIZES.get(type(part))
        return (state,) if state else ()

    def crossing(self, step: int) -> int:
        """The steps that come nearest to the target."""
        most = min(limit(type(part), field) * self._widest // getattr(part, field) for part, field in self.sizes) // step
        at = _last_below(lambda n: self.cost(n, step), self.target.amount, max(1, most))
        return min((n for n in (at, at + 1) if n <= most), key=lambda n: self.target.miss(self.cost(n, step)), default=1)

    def cost(self, n: int, step: int) -> int:
        """The exact cost with the widest part at `n` steps."""
        return _cost(_with(self.architecture, self._resized(n, step), _copied), self.target, self.context)

    def built(self, n: int, step: int) -> Architecture | None:
        """That architecture; None where a part does not allow the size."""
        try:
            return _with(self.architecture, self._resized(n, step), changed)
        except ValidationError:
            return None

    def refusal(self, n: int, step: int) -> str:
        """What comes nearest."""
        what, cost = "state size" if self._by_state else "FFN width", self.cost(n, step)
        if self.target.met(cost):
            return f"no {what} gives {self._asked}: {n * step} would, and the model does not allow it"
        return f"no {what} gives {self._asked}: the nearest is {cost:,}, at {n * step}"

    @property
    def _asked(self) -> str:
        return f"{self.target.metric} within {100 * self.target.tolerance:.3g} % of {self.target.amount:,}"

    def _resized(self, n: int, step: int) -> dict[Primitive, dict[str, int]]:
        """New values by part; of the neurons of a hidden width as many more or fewer are active."""
        changes: dict[Primitive, dict[str, int]] = {}
        for part, field in self.sizes:
            before = getattr(part, field)
            shares = fields_with(part, Rule.SHARE)
            size = max(1 + len(shares), step * max(1, (2 * before * n + self._widest) // (2 * self._widest)))
            kept = {share: max(1, size * getattr(part, share) // before) for share in shares}
            changes[part] = {field: size, **kept}
        return changes


Change = Callable[[Document, Mapping[str, object]], Document]


def _copied(document: Document, changes: Mapping[str, object]) -> Document:
    """Without validation: to be priced only."""
    return document.model_copy(update=changes)


def _with(architecture: Architecture, changes: Mapping[Primitive, Mapping[str, int]], change: Change) -> Architecture:
    parts = {part: change(part, new) for part, new in changes.items()}
    layers = {layer: _layer(layer, parts, change) for layer in set(architecture.layers())}
    sections = {section: tuple(layers[layer] for layer in getattr(architecture, section)) for section in SECTIONS}
    found = change(architecture, sections)
    assert isinstance(found, Architecture)
    return found


def _layer(layer: Layer, parts: Mapping[Primitive, Document], change: Change) -> Document:
    mixers = tuple(parts.get(mixer, mixer) for mixer in layer.mixers)
    return change(layer, dict(_fields_of(layer, mixers, parts)))


def _fields_of(layer: Layer, mixers: tuple[Document, ...], parts: Mapping[Primitive, Document]) -> Iterator[tuple[str, object]]:
    yield "mixers", mixers
    if layer.channel is not None:
        yield "channel", parts.get(layer.channel, layer.channel)


def _last_below(cost: Callable[[int], int], amount: int, most: int) -> int:
    """The largest of 1 to `most` whose cost is at most `amount`, or 1. The cost rises, nearly in proportion: so every other
    guess is where a straight line would reach the amount."""
    low, high = 1, most + 1
    below, above = cost(low), cost(most)
    if above <= amount or below > amount:
        return most if above <= amount else low
    while high - low > 1:
        line = low + (high - low) * (amount - below) // max(1, above - below)
        for guess in (line, line + 1, (low + high) // 2):
            if low < guess < high:
                value = cost(guess)
                if value <= amount:
                    low, below = guess, value
                else:
                    high, above = guess, value
    return low
