"""The 95 % interval of a mean over few seeds: a smoothed, studentised bootstrap.

The percentile bootstrap is far too narrow for few seeds (it covers 3 normal ones 3 times in 4). This one resamples the seeds,
adds normal noise, and asks how far each resample's mean lies from the true one in units of its own standard error (bootstrap-t,
Efron 1981; smoothing: Silverman and Young 1987). With two to eight seeds the noise is most of it, which comes close to
Student's t; with more the scores' own shape shows, so that skewed ones are covered better than by Student's t.
Two outcomes far apart (a seed solves the task or does not) are covered by no interval over three seeds that happen to agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from nas.seeds import derive

Array = NDArray[np.float64]

NORMAL_975: Final = NormalDist().inv_cdf(0.975)
N_RESAMPLES: Final = 4999
MAX_SMOOTHING: Final = 0.7
SMOOTHING: Final = 2.0
"""The share of noise in a resample's standard deviation is SMOOTHING / sqrt(n), at most MAX_SMOOTHING."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval. `covers`: seeds and the draw of the test sample, or only the latter."""

    value: float
    low: float
    high: float
    covers: Literal["replicas", "test_sample"]

    def within(self, low: float, high: float) -> "Interval":
        """The same, cut to the scale that the value lives on."""
        return replace(self, low=max(low, self.low), high=min(high, self.high))


def mean_interval(values: Sequence[float], sample_error: float = 0.0) -> Interval:
    """The mean of one value per seed. `sample_error` is the standard error from the test sample that all seeds share.

    It takes part in the bootstrap, and never makes the interval narrower than that over seeds. One seed has the test sample's
    interval only. Raises ValueError without values, and for one value whose test sample is not known.
    """
    if len(values) < 2 and not (values and sample_error > 0):
        raise ValueError("an interval needs two seeds or more, or one and the standard error of its test sample")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    value, of_sample = float(ordered.mean()), NORMAL_975 * sample_error
    if len(values) == 1:
        return Interval(value, value - of_sample, value + of_sample, "test_sample")
    below, above = _reach(ordered, 0.0)
    if sample_error > 0:
        # few seeds may happen to agree, and then a second source of error would make their interval narrower
        both = _reach(ordered, sample_error)
        below, above = max(below, both[0], of_sample), max(above, both[1], of_sample)
    return Interval(value, value - below, value + above, "replicas")


def _reach(values: Array, sample_error: float) -> tuple[float, float]:
    """How far the interval goes below and above the mean."""
    n, spread = len(values), float(values.std())
    # equal numbers may differ from their mean in the last digit
    if spread <= 1e-12 * float(np.abs(values).max()):
        return 0.0, 0.0
    low, high = np.quantile(_studentised((values - values.mean()) / spread, sample_error / spread), (0.025, 0.975))
    error = math.hypot(spread / math.sqrt(n - 1), sample_error)
    return max(0.0, float(high)) * error, max(0.0, -float(low)) * error


def _studentised(standard: Array, sample_error: float) -> Array:
    """Each resample's mean in units of its standard error. `standard` has mean 0 and standard deviation 1."""
    n = len(standard)
    draws = _draws(n)
    noise = smoothing(n)
    kept = math.sqrt(1 - noise**2)
    total = kept * (draws.counts @ standard) + noise * draws.noise.sum(axis=1)
    squares = kept**2 * (draws.counts @ standard**2) + 2 * kept * noise * (draws.noise @ standard) + noise**2 * draws.squares
    variance = np.maximum(squares - total**2 / n, 1e-300) / (n - 1)
    moved = total / n + sample_error * draws.sample
    return np.asarray(moved / np.sqrt(variance / n + sample_error**2), dtype=np.float64)


def smoothing(n: int) -> float:
    """The standard deviation of the noise in a resample of n seeds whose own is 1."""
    return min(MAX_SMOOTHING, SMOOTHING / math.sqrt(n))


@dataclass(frozen=True, slots=True)
class _Draws:
    """Of each resample: how often each value was drawn, the noise that fell on it, its squares' sum, and the test sample's."""

    counts: Array
    noise: Array
    squares: Array
    sample: Array


@lru_cache(maxsize=32)
def _draws(n: int) -> _Draws:
    """The same for all means over n seeds: equal scores have equal intervals, whatever their unit."""
    generator = np.random.default_rng(derive("mean interval", n))
    chosen = generator.integers(0, n, (N_RESAMPLES, n))
    noise = generator.standard_normal((N_RESAMPLES, n))
    resample = np.repeat(np.arange(N_RESAMPLES), n)
    counts, fallen = np.zeros((N_RESAMPLES, n)), np.zeros((N_RESAMPLES, n))
    np.add.at(counts, (resample, chosen.ravel()), 1.0)
    np.add.at(fallen, (resample, chosen.ravel()), noise.ravel())
    return _Draws(counts, fallen, (noise**2).sum(axis=1), generator.standard_normal(N_RESAMPLES))
