"""Whether a cheap proxy orders trials as the dear score does: a lower rung, one task, or the parameter count alone.

Proxies are measured, not believed. The one to beat is the parameter count, which costs nothing (arXiv 2210.03230). Only trials
that have both scores are compared; those that went on were chosen by the lower rung, so agreement among them is less than it
would be among all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from nas.statistics.correlation import MIN_TRIALS, Correlation, rank_correlations, spearman_resampled
from nas.statistics.intervals import NORMAL_975

Scores = Mapping[int, float]
"""By trial number."""
Verdict = Literal["better", "not_shown", "worse", "too_few"]

TOP: Final = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a proxy orders the trials that have both scores. Correlations are None where one score is the same for all.

    precision: of the best k by the proxy, the share that is among the best k by the score, for each k below `n_trials`.
    """

    proxy: str
    n_trials: int
    kendall: Correlation | None
    spearman: Correlation | None
    precision: dict[int, float]


@dataclass(frozen=True, slots=True)
class AgainstParameters:
    """A proxy's rho less the size of the parameter count's, over the same trials, with its 95 % interval.

    The parameter count's sign is taken in its favour. better and worse: the interval leaves no doubt.
    """

    verdict: Verdict
    proxy: str
    n_trials: int
    spearman: float | None
    parameters_spearman: float | None
    difference: float | None
    low: float | None
    high: float | None

    @property
    def warning(self) -> str | None:
        """What the leaderboard says; None for a proxy that is better."""
        if self.verdict == "better":
            return None
        if self.difference is None or self.spearman is None or self.parameters_spearman is None:
            return (
                f"Whether {self.proxy} ranks better than the parameter count is not known: {self.n_trials} trials "
                f"have what it takes to tell, and it takes at least {MIN_TRIALS} that differ."
            )
        claim = "ranks worse than" if self.verdict == "worse" else "is not shown to rank better than"
        return (
            f"{_sentence(self.proxy)} {claim} the parameter count alone: ρ {self.spearman:.2f} against "
            f"{self.parameters_spearman:.2f} over {self.n_trials} trials."
        )


def calibrate(proxy: str, scores: Scores, target: Scores) -> Calibration:
    """A proxy's scores against those it stands for; larger is better in both."""
    x, y = _common(scores, target)
    tau, rho = rank_correlations(x, y) if len(x) > 1 else (None, None)
    return Calibration(proxy, len(x), tau, rho, {k: precision_at(k, x, y) for k in TOP if k < len(x)})


def calibrate_rungs(rungs: Sequence[Scores]) -> tuple[Calibration, ...]:
    """Each rung against the next one; `rungs` hold the score of every trial measured there."""
    return tuple(calibrate(f"rung {at}", lower, upper) for at, (lower, upper) in enumerate(pairwise(rungs)))


def calibrate_tasks(tasks: Mapping[str, Scores], target: Scores) -> dict[str, Calibration]:
    """Each task's score at a lower rung against the whole score above; `spearman.sign` says which way it points."""
    return {task: calibrate(task, scores, target) for task, scores in tasks.items()}


def against_parameters(proxy: str, scores: Scores, parameters: Scores, target: Scores) -> AgainstParameters:
    """Whether a proxy orders trials better than their parameter count does, over trials that have all three."""
    trials = sorted(scores.keys() & parameters.keys() & target.keys())
    x, p, y = ([values[trial] for trial in trials] for values in (scores, parameters, target))
    if len(trials) < MIN_TRIALS or min(len(set(x)), len(set(y))) < 2:
        return AgainstParameters("too_few", proxy, len(trials), None, None, None, None, None)
    rho = spearman_resampled(x, y)
    # of equal counts, as in a study that holds them equal, no order can be told
    beside = spearman_resampled(p, y) if len(set(p)) > 1 else np.zeros_like(rho)
    by_count = float(beside[0])
    differences = rho - (beside if by_count >= 0 else -beside)
    drawn = differences[1:]
    error = NORMAL_975 * float(drawn[np.isfinite(drawn)].std(ddof=1))
    value = float(differences[0])
    verdict: Verdict = "better" if value > error else "worse" if value < -error else "not_shown"
    return AgainstParameters(verdict, proxy, len(trials), float(rho[0]), by_count, value, value - error, value + error)


def precision_at(k: int, proxy: Sequence[float], target: Sequence[float]) -> float:
    """The share of the best k by the proxy among the best k by the target; of equals each is as likely to be among them."""
    if not 0 < k <= len(proxy):
        raise ValueError(f"precision at {k} needs at least {k} trials, got {len(proxy)}; choose k from 1 to {len(proxy)}")
    return float(_chosen(k, proxy) @ _chosen(k, target)) / k


def _chosen(k: int, values: Sequence[float]) -> NDArray[np.float64]:
    """The chance of each to be among the best k."""
    scores = np.asarray(values, dtype=np.float64)
    last = np.partition(scores, len(scores) - k)[len(scores) - k]
    above, level = scores > last, scores == last
    return np.asarray(above + level * ((k - above.sum()) / level.sum()), dtype=np.float64)


def _common(one: Scores, other: Scores) -> tuple[list[float], list[float]]:
    trials = sorted(one.keys() & other.keys())
    return [one[trial] for trial in trials], [other[trial] for trial in trials]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
