"""Anytime curves: what a user would take home from a search after a given cost, and how far one search leads another then.

Taken home is the trial with the best validation score at the highest rung that any has reached by then; what it is worth is its
score on test data. A learning search has one order of events. The trials of random search might have come in any order, so its
curve is a mean over orders (a trial moves with all of its runs), which takes nothing from the luck of one order; the means
are over orders without replacement, as resampled trials would understate the best of many (arXiv 2004.13705).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nas.seeds import derive
from nas.statistics.intervals import NORMAL_975

Array = NDArray[np.float64]
Index = NDArray[np.intp]

MAX_ORDERS: Final = 2000
MAX_DRAWN: Final = 4_000_000
"""Runs in all orders together: a second's work."""
BOUNDS: Final = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run that ended. cost: what it took itself. error: the standard error of its score.

    eligible: whether its trial may be taken home; one that breaks a constraint costs as much and may not.
    """

    trial: int
    rung: int
    cost: float
    validation: float
    score: float
    error: float = 0.0
    eligible: bool = True


@dataclass(frozen=True, slots=True)
class Band:
    """A value with its 95 % interval at each of some costs."""

    value: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Arm:
    """The runs of one search in the order in which they ended, as arrays. `exchangeable`: whether any other order would do.

    place: 1 for the run that is taken home last, rising to the best; 0 for one that never is. `at` leads back from places.
    """

    trial: Index
    cost: Array
    score: Array
    error: Array
    place: Index
    at: Index
    exchangeable: bool

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], *, exchangeable: bool = False) -> "Arm":
        """Of runs in the order in which they ended, a trial's own from its lowest rung on."""
        numbers = {number: at for at, number in enumerate(dict.fromkeys(each.trial for each in outcomes))}
        eligible = [at for at, each in enumerate(outcomes) if each.eligible]
        worst_first = sorted(eligible, key=lambda at: (outcomes[at].rung, outcomes[at].validation, -outcomes[at].trial))
        place = np.zeros(len(outcomes), dtype=np.intp)
        place[worst_first] = np.arange(1, len(worst_first) + 1)
        return cls(
            trial=np.array([numbers[each.trial] for each in outcomes], dtype=np.intp),
            cost=np.array([each.cost for each in outcomes], dtype=np.float64),
            score=np.array([each.score for each in outcomes], dtype=np.float64),
            error=np.array([each.error for each in outcomes], dtype=np.float64),
            place=place,
            at=np.array([-1, *worst_first], dtype=np.intp),
            exchangeable=exchangeable,
        )

    @property
    def total(self) -> float:
        """What all runs cost together."""
        return float(self.cost.sum())

    @property
    def begins(self) -> float:
        """The cost from which on there is something to take home, whatever the order; infinite where there never is."""
        eligible = np.flatnonzero(self.place)
        if not len(eligible):
            return float("inf")
        if not self.exchangeable:
            return float(self.cost[: eligible[0] + 1].sum())
        # the others might all have come first
        useless = float(self.cost[~np.isin(self.trial, self.trial[eligible])].sum())
        firsts = np.unique(self.trial, return_index=True)[1]
        return useless + float(self.cost[firsts[np.isin(firsts, eligible)]].max(initial=0.0))


def taken_home(arm: Arm, costs: Array) -> Index:
    """The index of the run that would be taken home at each cost, -1 where there is none: (1, costs), or (orders, costs)."""
    orders = _orders(arm) if arm.exchangeable else np.arange(len(arm.cost), dtype=np.intp)[None]
    spent = np.cumsum(arm.cost[orders], axis=1)
    best = np.maximum.accumulate(arm.place[orders], axis=1)
    ended = np.array([np.searchsorted(row, costs, side="right") for row in spent], dtype=np.intp)
    places = np.concatenate([np.zeros((len(best), 1), dtype=np.intp), best], axis=1)
    return np.asarray(arm.at[np.take_along_axis(places, ended, axis=1)], dtype=np.intp)


def _orders(arm: Arm) -> Index:
    """Orders of the runs in which trials are shuffled, (orders, runs): the same for all arms of as many runs."""
    n = len(arm.cost)
    generator = np.random.default_rng(derive("orders of trials", n))
    keys = generator.random((n_orders(n), int(arm.trial.max(initial=-1)) + 1))
    # a stable sort leaves the runs of a trial in their order
    return np.argsort(keys[:, arm.trial], axis=1, kind="stable")


def n_orders(n_runs: int) -> int:
    """How many orders are drawn: fewer of many runs, whose mean needs no more."""
    return max(100, min(MAX_ORDERS, MAX_DRAWN // max(1, n_runs)))


def curve(arm: Arm, costs: Array) -> Band:
    """Of what is taken home at each cost, none of which may be below `begins`: the mean over orders, and an interval.

    It holds how far the scores themselves may be off, and, where any order would do, how far one order may lie from the mean.
    """
    chosen = taken_home(arm, costs)
    scores, errors = arm.score[chosen], arm.error[chosen]
    value = scores.mean(axis=0)
    if not arm.exchangeable:
        reach = NORMAL_975 * errors[0]
        return Band(value, value - reach, value + reach)
    seen = scores + errors * np.random.default_rng(derive("curve", *scores.shape)).standard_normal(scores.shape)
    low, high = np.quantile(seen, BOUNDS, axis=0)
    # where all orders agree their draws are not centred on the mean to the last digit
    return Band(value, np.minimum(low, value), np.maximum(high, value))


def lead(ours: Arm, others: Arm, cost: float) -> tuple[float, float, float]:
    """Our score less theirs of what is taken home at a cost, with its 95 % interval. Raises ValueError where nothing is yet."""
    mine, theirs = (taken_home(arm, np.array([cost])) for arm in (ours, others))
    if min(mine.min(), theirs.min()) < 0:
        raise ValueError(f"at a cost of {cost:,.0f} there is nothing to take home yet; the arms begin at their `begins`")
    generator = np.random.default_rng(derive("lead", len(ours.cost), len(others.cost)))
    drawn = [_drawn(arm, chosen, generator) for arm, chosen in ((ours, mine), (others, theirs))]
    value = float(ours.score[mine].mean() - others.score[theirs].mean())
    low, high = np.quantile(drawn[0] - drawn[1], BOUNDS)
    return value, min(float(low), value), max(float(high), value)


def _drawn(arm: Arm, chosen: Index, generator: np.random.Generator) -> Array:
    """Scores as they might be: of an order that might have been, with an error that it might have."""
    which = generator.choice(chosen[:, 0], size=MAX_ORDERS)
    return np.asarray(arm.score[which] + arm.error[which] * generator.standard_normal(MAX_ORDERS), dtype=np.float64)
