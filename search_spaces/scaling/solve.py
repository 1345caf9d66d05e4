"""From a proxy to a model of a given size: the width and depth that meet the target in the shape of published models.

Candidates are widths and depths whose parameters are near the target; the best has the least sum of three errors: of its size,
of its shape (`shape.py`) and of the ratios that rounding changed. Hidden widths change only where none is within 2 %.
"""

import math
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from pydantic import ValidationError

from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.primitives import Cost, CostContext
from search_spaces.scaling.grow import Plan, check_limits, grow, growth_of, most_layers, whole_step, with_ends
from search_spaces.scaling.ratios import distortion, kept_between, ratios
from search_spaces.scaling.shape import n_blocks, usual_blocks
from search_spaces.scaling.size import MAX_SIZE, format_size
from search_spaces.scaling.steps import statements
from search_spaces.scaling.target import TOLERANCE, Scaled, ScaleTarget, ScalingError

# widths that hardware likes, and every width that the rules can round to
USUAL_WIDTHS = (*range(4, 128, 4), *range(128, 512, 16), *range(512, 65_537, 64))
FINE_WIDTHS = (*range(4, 128), *range(128, 512, 4), *range(512, 65_537, 8))
HIDDEN_FACTORS = tuple(2 ** (step / 64) for step in range(-128, 129))
DEPTHS_TRIED = 6
# of errors in size and in ratios, where one in shape counts 1
SIZE_WEIGHT, RATIO_WEIGHT = 10.0, 5.0
GOOD = 0.5
"""An error that is no reason to look among widths that hardware likes less."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that can be built, and its parameters as the target counts them."""

    plan: Plan
    architecture: Architecture
    params: int


class Search:
    """The candidates around one target among some depths and widths; every plan is carried out once."""

    def __init__(self, base: Architecture, target: ScaleTarget, depths: Sequence[int], widths: Sequence[int]) -> None:
        self.base, self.target, self.depths, self.widths = base, target, depths, widths
        self.params = target.params or 0
        self.refusal = "its parts have limits"
        self._ratios = ratios(base)
        self._tried: dict[Plan, Candidate | None] = {}
        self._crossings: dict[int, int] = {}

    def candidate(self, plan: Plan) -> Candidate | None:
        """The plan carried out; None where a limit forbids it."""
        if plan not in self._tried:
            try:
                architecture = grow(self.base, plan)
                self._tried[plan] = Candidate(plan, architecture, _counted(_price(architecture), self.target))
            except ValidationError as error:
                self._tried[plan] = None
                self.refusal = _reason(error)
        return self._tried[plan]

    def size(self, plan: Plan) -> int:
        """Parameters; more than any model has beyond the limits."""
        found = self.candidate(plan)
        return sys.maxsize if found is None else found.params

    def miss(self, candidate: Candidate) -> float:
        """The share of the target by which it is missed."""
        return abs(candidate.params / self.params - 1)

    def error(self, candidate: Candidate) -> float:
        """Of size, shape and ratios together; the less, the better."""
        shape = abs(math.log(n_blocks(candidate.architecture) / usual_blocks(candidate.plan.width)))
        changed = distortion(self._ratios, ratios(candidate.architecture))
        return shape + SIZE_WEIGHT * self.miss(candidate) + RATIO_WEIGHT * changed

    def around(self) -> Iterator[Candidate]:
        """Candidates near the target: the depths whose width has the usual shape, and the widths next to the target."""
        for n_layers in self._near_depths():
            at = self._crossing(n_layers)
            for width in self.widths[max(0, at - 2) : at + 2]:
                found = self.candidate(plan_of(self.base, self.target, width, n_layers))
                if found is not None:
                    yield found

    def _near_depths(self) -> Sequence[int]:
        """The depths around the first that is beyond."""
        # shallow models first: they are priced faster
        bound = 1
        while bound < len(self.depths) and not self._beyond(self.depths[bound]):
            bound *= 2
        at = bisect_left(self.depths, True, bound // 2, min(bound, len(self.depths)), key=self._beyond)
        return self.depths[max(0, at - DEPTHS_TRIED) : at + DEPTHS_TRIED]

    def _beyond(self, n_layers: int) -> bool:
        """Whether this is deeper than usual at the width that meets the target or, at a given width, larger than the target."""
        if len(self.widths) == 1:
            return self.size(plan_of(self.base, self.target, self.widths[0], n_layers)) > self.params
        width = self.widths[min(self._crossing(n_layers), len(self.widths) - 1)]
        return n_blocks(self.base) * n_layers / len(self.base.layers()) > usual_blocks(width)

    def _crossing(self, n_layers: int) -> int:
        """The index of the first width that has at least the target's parameters: the deeper, the narrower."""
        if n_layers not in self._crossings:
            known = self._crossings.items()
            low = max((at for n, at in known if n > n_layers), default=0)
            high = min((at for n, at in known if n < n_layers), default=len(self.widths))
            sizes = partial(plan_of, self.base, self.target, n_layers=n_layers)
            self._crossings[n_layers] = bisect_left(
                self.widths, self.params, low, max(low, high), key=lambda width: self.size(sizes(width))
            )
        return self._crossings[n_layers]

    def trimmed(self, candidate: Candidate) -> Candidate | None:
        """The same with the hidden widths that come nearest to the target; None where there are no such widths."""
        plans = [replace(candidate.plan, hidden=factor) for factor in HIDDEN_FACTORS]
        at = bisect_left(plans, self.params, key=self.size)
        found = [self.candidate(plan) for plan in plans[max(0, at - 1) : at + 1]]
        return min((near for near in found if near is not None), key=self.miss, default=None)


def scale(architecture: Architecture, target: ScaleTarget) -> Scaled:
    """The same model larger (or smaller), by the rules. Raises `ScalingError`, a ValueError, where no such model exists."""
    base = with_ends(architecture, target)
    check_limits(base, target)
    plan, grown = _sized(base, target) if target.params is None else _solved(base, target)
    cost = _price(grown)
    if cost.params > MAX_SIZE * (1 + TOLERANCE):
        field = "width" if target.width is not None else "depth"
        raise ScalingError(field, f"{format_size(cost.params)} parameters; at most {format_size(MAX_SIZE)}: ask for less")
    return Scaled(
        architecture=grown,
        params=cost.params,
        active_params=cost.active_params,
        steps=statements(architecture, grown, plan, cost, target),
        kept=kept_between(architecture, grown),
    )


def plan_of(base: Architecture, target: ScaleTarget, width: int, n_layers: int) -> Plan:
    """These sizes, without a change to hidden widths."""
    return Plan(width=width, n_layers=n_layers, growth=growth_of(base, target.growth), head_dim=target.head_dim)


def _counted(cost: Cost, target: ScaleTarget) -> int:
    """The parameters that the target is about."""
    return cost.params if target.counted == "total" else cost.active_params


def _price(architecture: Architecture) -> Cost:
    return price(architecture, CostContext(context_length=1))


def _sized(base: Architecture, target: ScaleTarget) -> tuple[Plan, Architecture]:
    """At the width and depth that are given, or its own."""
    plan = plan_of(base, target, target.width or base.d_model, target.depth or len(base.layers()))
    try:
        return plan, grow(base, plan)
    except ValidationError as error:
        raise ScalingError("depth" if target.width is None else "width", f"no such model: {_reason(error)}") from None


def _reason(error: ValidationError) -> str:
    """The first limit that is broken, with the field it is about."""
    problem = error.errors()[0]
    where, message = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ").partition("; ")[0]
    return f"{where}: {message}" if where else message


def _solved(base: Architecture, target: ScaleTarget) -> tuple[Plan, Architecture]:
    """The plan that meets the parameters; the architecture itself where it does already."""
    tried: list[Candidate] = []
    best: Candidate | None = None
    for search in _searches(base, target):
        own = search.candidate(plan_of(base, target, base.d_model, len(base.layers())))
        if own is not None and target.width is None and target.depth is None and search.miss(own) <= TOLERANCE:
            return own.plan, own.architecture
        tried += search.around()
        best = min((one for one in tried if search.miss(one) <= TOLERANCE), key=search.error, default=None)
        if best is not None and search.error(best) <= GOOD:
            break
    best = best or _trimmed(search, tried)
    return best.plan, best.architecture


def _searches(base: Architecture, target: ScaleTarget) -> Iterator[Search]:
    """Depths and widths to look among, the preferred ones first: whole patterns, and widths that hardware likes."""
    most, step = most_layers(base), whole_step(base, growth_of(base, target.growth))
    if target.width is not None:
        # the width says how deep: a pattern may have to be cut
        yield Search(base, target, (target.depth,) if target.depth else range(1, most + 1), (target.width,))
        return
    for widths in (USUAL_WIDTHS, FINE_WIDTHS):
        yield Search(base, target, (target.depth,) if target.depth else range(step, most + 1, step), widths)


def _trimmed(search: Search, tried: list[Candidate]) -> Candidate:
    """The best candidate whose hidden widths can make up for what it misses."""
    ranked = sorted(tried, key=search.error)[:DEPTHS_TRIED]
    found = [near for near in map(search.trimmed, ranked) if near is not None]
    for near in found:
        if search.miss(near) <= TOLERANCE:
            return near
    raise _unmet(search, min(chain(tried, found), key=search.miss, default=None))


def _unmet(search: Search, nearest: Candidate | None) -> ScalingError:
    """What the rules come nearest to, and which way out there is."""
    target = search.target
    given = {"width": target.width, "depth": target.depth}
    fixed = [f"{field} {value}" for field, value in given.items() if value is not None]
    with_these = f" with {' and '.join(fixed)}" if fixed else ""
    if nearest is None:
        return ScalingError("params", f"no model{with_these} keeps to its limits: {search.refusal}; choose other sizes")
    size, plan = format_size(nearest.params), nearest.plan
    if fixed:
        way_out = f"leave {' or '.join(field for field, value in given.items() if value)} out, or ask for about {size}"
    elif nearest.params > search.params:
        way_out = f"ask for at least about {size}, or for a smaller vocab_size"
    else:
        way_out = f"ask for at most about {size}"
    reached = f"the nearest is {size}, at width {plan.width} and depth {plan.n_layers}"
    asked = f"{format_size(search.params)} cannot be met within {TOLERANCE:.0%}{with_these}"
    return ScalingError("params", f"{asked}: {reached}; {way_out}")
