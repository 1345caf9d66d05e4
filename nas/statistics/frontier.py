"""How much of the box of the objectives a search dominates after a given cost, alone and against another search.

Points are on a scale where 0 is the worst and 1 the best value of anybody in each objective; what may not be taken home lies at
0. In a search that learns, each trial stands where its newest run put it. In random search trials may come in any order,
each with the cost and the values of all of its runs.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nas.seeds import derive
from nas.statistics.anytime import BOUNDS, Band
from nas.statistics.hypervolume import growth, hypervolume

Array = NDArray[np.float64]
Index = NDArray[np.intp]

MAX_ORDERS: Final = 100
MAX_POINTS: Final = 40_000
"""Points in all orders together: a second or two of work."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """Runs in the order in which they ended: whose, what they cost, their points (runs, objectives), and the standard error of
    the first objective, which is the score."""

    trial: Index
    cost: Array
    points: Array
    error: Array
    exchangeable: bool

    @property
    def whole(self) -> "Frontier":
        """One run for each trial, with the cost of all of its runs and the values of the last."""
        numbers, backwards = np.unique(self.trial[::-1], return_index=True)
        last = len(self.trial) - 1 - backwards
        cost = np.array([self.cost[self.trial == number].sum() for number in numbers])
        return replace(self, trial=numbers, cost=cost, points=self.points[last], error=self.error[last])

    def newest(self, cost: float) -> Index:
        """Of each trial, its last run by this cost."""
        n = int(np.searchsorted(np.cumsum(self.cost), cost, side="right"))
        return np.array(list({trial: at for at, trial in enumerate(self.trial[:n].tolist())}.values()), dtype=np.intp)


def hypervolume_curve(arm: Frontier, costs: Array) -> Band:
    """At each cost; of random search the mean over orders, and how far one order may lie from it."""
    if not arm.exchangeable:
        value = np.array([hypervolume(arm.points[arm.newest(cost)]) for cost in costs])
        return Band(value, value, value)
    whole = arm.whole
    grown = np.empty((len(_orders(whole)), len(costs)))
    for at, order in enumerate(_orders(whole)):
        volumes = np.concatenate([[0.0], growth(whole.points[order])])
        grown[at] = volumes[np.searchsorted(np.cumsum(whole.cost[order]), costs, side="right")]
    low, high = np.quantile(grown, BOUNDS, axis=0)
    value = grown.mean(axis=0)
    return Band(value, np.minimum(low, value), np.maximum(high, value))


def lead_interval(ours: Frontier, others: Frontier, cost: float, value: float) -> tuple[float, float]:
    """The 95 % interval of a lead at a cost, the `value` of our curve less theirs, over the errors of all scores and the orders
    of theirs."""
    n = min(_n_orders(len(ours.trial)), _n_orders(len(others.trial)))
    generator = np.random.default_rng(derive("hypervolumes", len(ours.trial), len(others.trial)))
    mine, theirs = (_drawn(arm, cost, n, generator) for arm in (ours, others))
    differences = mine - theirs
    # errors let the best of many look better still: only how far they scatter counts
    low, high = np.quantile(differences - differences.mean() + value, BOUNDS)
    return min(float(low), value), max(float(high), value)


def _drawn(arm: Frontier, cost: float, n: int, generator: np.random.Generator) -> Array:
    """Hypervolumes at a cost, of orders that might have been and scores that might have been seen."""
    found = np.empty(n)
    whole = arm.whole if arm.exchangeable else arm
    for at in range(n):
        chosen = _first(whole, cost, generator) if arm.exchangeable else whole.newest(cost)
        points = whole.points[chosen]
        points[:, 0] += np.where(points[:, 0] > 0, whole.error[chosen] * generator.standard_normal(len(chosen)), 0.0)
        found[at] = hypervolume(points)
    return found


def _first(whole: Frontier, cost: float, generator: np.random.Generator) -> Index:
    """The trials that fit in a cost, in an order drawn at random."""
    order = generator.permutation(len(whole.trial))
    return order[: np.searchsorted(np.cumsum(whole.cost[order]), cost, side="right")]


def _n_orders(n_trials: int) -> int:
    return max(20, min(MAX_ORDERS, MAX_POINTS // max(1, n_trials)))


def _orders(whole: Frontier) -> Index:
    generator = np.random.default_rng(derive("orders of trials", len(whole.trial)))
    n = _n_orders(len(whole.trial))
    return np.array([generator.permutation(len(whole.trial)) for _ in range(n)], dtype=np.intp).reshape(n, -1)
