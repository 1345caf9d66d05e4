"""The winner's curse: the best of many noisy scores is best partly by luck, so the search's own figure for it is too high."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from nas.statistics.intervals import Interval, mean_interval


@dataclass(frozen=True, slots=True)
class WinnersCurse:
    """The winner's score as the search saw it beside its mean over fresh seeds, and what luck alone would explain.

    drop: the search's score less the fresh mean. expected_drop: see `expected_drop`. confirmed: the search's score lies in the
    interval of the fresh mean.
    """

    search_score: float
    fresh: Interval
    drop: float
    expected_drop: float | None
    confirmed: bool


def winners_curse(
    search_score: float, fresh: Sequence[float], *, sample_error: float = 0.0, expected_drop: float | None = None
) -> WinnersCurse:
    """From the fresh seeds' scores. Raises ValueError for none, and for one whose `sample_error` is not known."""
    interval = mean_interval(fresh, sample_error)
    confirmed = interval.low <= search_score <= interval.high
    return WinnersCurse(search_score, interval, search_score - interval.value, expected_drop, confirmed)


def expected_drop(scores: Sequence[float], noise: float) -> float:
    """How much of the best score is luck on average, when each score has noise of this standard deviation.

    What the scores' own spread leaves after the noise is real; a score shrinks towards the mean by the noise's share of the
    variance (normal prior), and the best of n lies E[max of n] of the scores' deviations above the mean. Without any real
    spread all of that is luck.
    """
    if len(scores) < 2:
        return 0.0
    spread = max(float(np.var(scores, ddof=1)), noise**2)
    return 0.0 if spread == 0 else noise**2 / math.sqrt(spread) * expected_maximum(len(scores))


def expected_maximum(n: int) -> float:
    """Of n draws from the standard normal distribution: n integral of x phi(x) Phi(x)^(n-1), by the trapezoidal rule."""
    if n < 1:
        raise ValueError(f"a maximum needs one draw or more, got {n}")
    # the integrand is smooth and vanishes at both ends, where this rule's error falls faster than any power of the step
    x, step = np.linspace(-12.0, 12.0, 2401, retstep=True)
    density = n * np.exp((n - 1) * log_ndtr(x) - x**2 / 2) / math.sqrt(2 * math.pi)
    return float(step * (x * density).sum())
