"""From a proxy to a model of a given size: the width and depth that meet the target in the shape of published models.

Candidates are widths and depths whose parameters are near the target; the best has the least sum of three errors: of its size,
of its shape (`shape.py`) and of the ratios that rounding changed. Hidden widths change only where none is within `TOLERANCE`.
"""

import math
import sys
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan that can be built, and its parameters as the target counts them."""

    plan: Plan
    architecture: Architecture
    params: int


class Search:
    """The candidates around one target; every plan is carried out once."""

    def __init__(self, base: Architecture, target: ScaleTarget, params: int) -> None:
        self.base, self.target, self.params = base, target, params
        self.growth = growth_of(base, target.growth)
        self._ratios = ratios(base)
        self.refusal = "its parts have limits"
        self._tried: dict[Plan, Candidate | None] = {}

    def candidate(self, plan: Plan) -> Candidate | None:
        """The plan carried out; None where a limit forbids it."""
        if plan not in self._tried:
            try:
                architecture = grow(self.base, plan)
                self._tried[plan] = Candidate(plan, architecture, counted(_price(architecture), self.target))
            except ValidationError as error:
                self._tried[plan] = None
                self.refusal = _reasons(error)
        return self._tried[plan]

    def plan(self, n_layers: int, width: int) -> Plan:
        """Without change to hidden widths."""
        return Plan(width=width, n_layers=n_layers, growth=self.growth, head_dim=self.target.head_dim)

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

    def around(self, depths: Sequence[int], widths: Sequence[int]) -> Iterator[Candidate]:
        """Candidates near the target: the depths whose width has the usual shape, and the widths next to the target."""
        for n_layers in self._near_depths(depths, widths):
            at = self._crossing(n_layers, widths)
            for width in widths[max(0, at - 2) : at + 2]:
                found = self.candidate(self.plan(n_layers, width))
                if found is not None:
                    yield found

    def _near_depths(self, depths: Sequence[int], widths: Sequence[int]) -> Sequence[int]:
        """The depths around the first that is deeper than usual or, at a given width, larger than the target."""

        def beyond(n_layers: int) -> bool:
            if len(widths) == 1:
                return self.size(self.plan(n_layers, widths[0])) > self.params
            return self._deeper_than_usual(n_layers, widths)

        # shallow models first: they are priced faster
        bound = 1
        while bound < len(depths) and not beyond(depths[bound]):
            bound *= 2
        at = bisect_left(depths, True, bound // 2, min(bound, len(depths)), key=beyond)
        return depths[max(0, at - DEPTHS_TRIED) : at + DEPTHS_TRIED]

    def _crossing(self, n_layers: int, widths: Sequence[int]) -> int:
        """The first width that has at least the target's parameters."""
        return bisect_left(widths, self.params, key=lambda width: self.size(self.plan(n_layers, width)))

    def _deeper_than_usual(self, n_layers: int, widths: Sequence[int]) -> bool:
        """Whether there are more blocks than is usual at the width which meets the target at this depth."""
        width = widths[min(self._crossing(n_layers, widths), len(widths) - 1)]
        return n_blocks(self.base) * n_layers / len(self.base.layers()) > usual_blocks(width)

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
    plan, grown = _sized(base, target) if target.params is None else _solved(base, target, target.params)
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


def counted(cost: Cost, target: ScaleTarget) -> int:
    """The parameters that the target is about."""
    return cost.params if target.counted == "total" else cost.active_params


def _price(architecture: Architecture) -> Cost:
    return price(architecture, CostContext(context_length=1))


def _sized(base: Architecture, target: ScaleTarget) -> tuple[Plan, Architecture]:
    """At the width and depth that are given, or its own."""
    plan = Plan(
        width=target.width or base.d_model,
        n_layers=target.depth or len(base.layers()),
        growth=growth_of(base, target.growth),
        head_dim=target.head_dim,
    )
    try:
        return plan, grow(base, plan)
    except ValidationError as error:
        field = "depth" if target.width is None else "width"
        raise ScalingError(field, f"no such model: {_reasons(error)}") from None


def _reasons(error: ValidationError) -> str:
    """The first limit that is broken, with the field it is about."""
    problem = error.errors()[0]
    where, message = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ").partition("; ")[0]
    return f"{where}: {message}" if where else message


def _solved(base: Architecture, target: ScaleTarget, params: int) -> tuple[Plan, Architecture]:
    """The plan that meets the parameters; the architecture itself where it does already."""
    search = Search(base, target, params)
    own = search.candidate(search.plan(len(base.layers()), base.d_model))
    free = target.width is None and target.depth is None
    if own is not None and free and search.miss(own) <= TOLERANCE:
        return own.plan, own.architecture
    tried: list[Candidate] = []
    best: Candidate | None = None
    for depths, widths in _grids(search):
        tried += search.around(depths, widths)
        met = (candidate for candidate in tried if search.miss(candidate) <= TOLERANCE)
        best = min(met, key=search.error, default=None)
        if best is not None and search.error(best) <= GOOD:
            break
    best = best or _trimmed(search, tried)
    return best.plan, best.architecture


def _grids(search: Search) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Depths and widths to look among."""
    base, target = search.base, search.target
    step = whole_step(base, search.growth)
    if target.width is not None:
        # the width says how deep: a pattern may have to be cut
        yield (target.depth,) if target.depth else range(1, most_layers(base) + 1), (target.width,)
        return
    for widths in (USUAL_WIDTHS, FINE_WIDTHS):
        yield (target.depth,) if target.depth else range(step, most_layers(base) + 1, step), widths


def _trimmed(search: Search, tried: list[Candidate]) -> Candidate:
    """The best candidate whose hidden widths can make up for what it misses."""
    ranked = sorted(tried, key=search.error)[:DEPTHS_TRIED]
    found = [near for near in map(search.trimmed, ranked) if near is not None]
    for near in found:
        if search.miss(near) <= TOLERANCE:
            return near
    nearest = min(chain(tried, found), key=search.miss, default=None)
    raise _unmet(search, nearest)


def _unmet(search: Search, nearest: Candidate | None) -> ScalingError:
    """What the rules come nearest to, and which way out there is."""
    asked, target = format_size(search.params), search.target
    fixed = [f"{field} {value}" for field, value in (("width", target.width), ("depth", target.depth)) if value is not None]
    with_these = f" with {' and '.join(fixed)}" if fixed else ""
    if nearest is None:
        return ScalingError("params", f"no model{with_these} keeps to its limits: {search.refusal}; choose other sizes")
    plan, size = nearest.plan, format_size(nearest.params)
    way_out = (
        f"leave {' or '.join(field.split()[0] for field in fixed)} out, or ask for about {size}"
        if fixed
        else (
            f"ask for {'at least' if nearest.params > search.params else 'at most'} about {size}"
            + (", or for a smaller vocab_size" if nearest.params > search.params else "")
        )
    )
    return ScalingError(
        "params",
        f"{asked} cannot be met within {TOLERANCE:.0%}{with_these}: the nearest is {size}, at width {plan.width} "
        f"and depth {plan.n_layers}; {way_out}",
    )
