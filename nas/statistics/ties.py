"""Groups of trials that the data cannot tell apart: the honest form of a ranking.

The leader is whoever happens to be on top, so the tests against it count as chosen among all pairs: with Holm's correction over
that family, the chance that any two equal trials land in different groups is at most 5 %. Group 1 is everybody not told apart
from the best mean; of those left, the best mean leads group 2, and so on. The rejections add up over the groups, as Holm's
procedure allows, so the outcome is part of what Holm's correction of all pairs would reject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from nas.statistics.variances import MANY, moderated

Array = NDArray[np.float64]
Noise = Literal["replicas", "borrowed", "test_sample", "none"]

ERROR_RATE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Scored:
    """A trial's scores, one per seed; `sample_error` is the test sample's standard error of their mean, where it is known."""

    scores: tuple[float, ...]
    sample_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trial stands.

    group: from 1. leader: index of the best mean in the group. p_value: corrected, that a difference to that leader as large as
    the one seen comes from noise alone (1 for the leader). p_value_above: the same against the leader of the group above, None
    in group 1. noise: what the trial was judged by: its own seeds (together with everybody's), the seeds of others because it
    has one only, or nothing but the test sample, in which case another seed may change the order.
    """

    group: int
    leader: int
    p_value: float
    p_value_above: float | None
    noise: Noise


@dataclass(frozen=True, slots=True)
class Ties:
    """The place of each trial, in the order given. paired: whether seed r of every trial was compared with seed r of others."""

    places: tuple[Place, ...]
    paired: bool

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return max((place.group for place in self.places), default=0)


@dataclass(frozen=True, slots=True)
class _Errors:
    """Of each trial: its mean, the variance of that mean, and the degrees of freedom of that variance."""

    mean: Array
    variance: Array
    freedom: Array
    cap: float

    def p_values(self, leader: int, others: NDArray[np.intp]) -> Array:
        """Two-sided, by Welch's test with degrees of freedom after Satterthwaite."""
        gap = np.abs(self.mean[others] - self.mean[leader])
        own, its = self.variance[others], self.variance[leader]
        both = own + its
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = both**2 / (own**2 / self.freedom[others] + its**2 / self.freedom[leader])
            t = gap / np.sqrt(both)
        freedom = np.minimum(np.nan_to_num(freedom, nan=MANY), self.cap)
        # without any noise every difference is one, and none is none
        return np.asarray(2 * stdtr(freedom, -np.where(both > 0, t, np.where(gap > 0, np.inf, 0.0))), dtype=np.float64)


def tie_groups(trials: Sequence[Scored], *, shared_seeds: bool = True) -> Ties:
    """The groups, best first. O(trials × groups).

    shared_seeds: seed r of one trial and of another saw the same data. Trials are then compared seed by seed where all have as
    many seeds, two or more. Raises ValueError for a trial without scores.
    """
    if not trials:
        return Ties((), False)
    if not all(trial.scores for trial in trials):
        raise ValueError("a trial without scores has no place among the ties; leave it out")
    n_seeds = {len(trial.scores) for trial in trials}
    paired = shared_seeds and len(trials) > 1 and len(n_seeds) == 1 and n_seeds != {1}
    errors, noises = _errors(trials, paired)
    return Ties(_places(errors, noises), paired)


def _places(errors: _Errors, noises: Sequence[Noise]) -> tuple[Place, ...]:
    n = len(noises)
    places: dict[int, Place] = {}
    above = dict[int, float]()
    left = np.lexsort((np.arange(n), -errors.mean))
    n_pairs, n_rejected, group = n * (n - 1) // 2, 0, 0
    while len(left):
        group += 1
        leader = int(left[0])
        places[leader] = Place(group, leader, 1.0, above.get(leader), noises[leader])
        others = left[1:]
        p = _holm(errors.p_values(leader, others), n_pairs - n_rejected)
        tied = p > ERROR_RATE
        for index, value in zip(others[tied].tolist(), p[tied].tolist(), strict=True):
            places[index] = Place(group, leader, value, above.get(index), noises[index])
        left = others[~tied]
        above = dict(zip(left.tolist(), p[~tied].tolist(), strict=True))
        n_rejected += len(left)
    return tuple(places[index] for index in range(n))


def _holm(p: Array, n_tests: int) -> Array:
    """Holm's corrected p-values of some among `n_tests` tests, as if all the others had failed."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * (n_tests - np.arange(len(p)))))
    return corrected


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's corrected p-values of a whole family (Holm 1979)."""
    return tuple(_holm(np.asarray(p_values, dtype=np.float64), len(p_values)).tolist())


def _errors(trials: Sequence[Scored], paired: bool) -> tuple[_Errors, tuple[Noise, ...]]:
    n_seeds = np.array([len(trial.scores) for trial in trials], dtype=np.float64)
    mean = np.array([float(np.mean(trial.scores)) for trial in trials])
    variance, freedom = _paired(trials) if paired else _apart(trials)
    seeds, seeds_freedom = moderated(variance, freedom)
    if float(seeds.max()) > 0:
        noises: tuple[Noise, ...] = tuple("replicas" if n > 1 else "borrowed" for n in n_seeds)
        return _Errors(mean, seeds / n_seeds, seeds_freedom, float(freedom.sum())), noises
    # no seeds to go by, or all of them agree to the last digit
    sample = np.array([trial.sample_error for trial in trials]) ** 2
    noises = tuple("test_sample" if error > 0 else "none" for error in sample)
    return _Errors(mean, sample, np.full(len(trials), MANY), MANY), noises


def _apart(trials: Sequence[Scored]) -> tuple[Array, Array]:
    """The variance over each trial's seeds, and its degrees of freedom."""
    variance = [float(np.var(trial.scores, ddof=1)) if len(trial.scores) > 1 else 0.0 for trial in trials]
    return np.array(variance), np.array([len(trial.scores) - 1.0 for trial in trials])


def _paired(trials: Sequence[Scored]) -> tuple[Array, Array]:
    """The same without what all trials have in common at a seed: a two-way layout. Of two trials it is the paired t test."""
    table = np.array([trial.scores for trial in trials])
    n_trials, n_seeds = table.shape
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + table.mean()
    freedom = (n_seeds - 1) * (n_trials - 1) / n_trials
    variance = (rest**2).sum(axis=1) / freedom
    # what is left of equal numbers is rounding
    variance[variance <= (1e-12 * np.abs(table).max()) ** 2] = 0.0
    return variance, np.full(n_trials, freedom)
