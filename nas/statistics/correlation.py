"""Rank correlations of two scores of the same trials, with intervals from resampled trials.

Both come from the matrices X and Y of signs of differences. With the weights w of a resample (how often each trial was drawn),
Kendall's tau-b is w'(X*Y)w / sqrt(w'|X|w w'|Y|w), and the ranks of a resample are Xw / 2 up to a constant, of which Spearman's
rho is the weighted correlation. Intervals are made on Fisher's scale, atanh, where the resamples' standard deviation
means the same everywhere; it is never taken below what independent trials would give (Fieller, Hartley and Pearson 1957).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nas.seeds import derive
from nas.statistics.intervals import NORMAL_975

Array = NDArray[np.float64]
Signs = NDArray[np.float32]

MIN_TRIALS: Final = 5
"""With four trials 2 orders in 24 agree or disagree perfectly by chance: no interval says anything."""
BLOCK: Final = 1024
"""Trials whose signs are held at once."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """A rank correlation with its 95 % interval, None with fewer than five trials."""

    value: float
    low: float | None
    high: float | None
    n_trials: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves no doubt, else 0."""
        return int(self.low is not None and self.low > 0) - int(self.high is not None and self.high < 0)


def kendall(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Tau-b. None when one of the two is the same for all trials."""
    return rank_correlations(x, y)[0]


def spearman(x: Sequence[float], y: Sequence[float]) -> Correlation | None:
    """Rho over average ranks. None when one of the two is the same for all trials."""
    return rank_correlations(x, y)[1]


def rank_correlations(x: Sequence[float], y: Sequence[float]) -> tuple[Correlation | None, Correlation | None]:
    """Tau-b and rho, from the same resamples. O(n²) for n trials. Raises ValueError where lengths differ."""
    if len(x) != len(y):
        raise ValueError(f"a correlation compares two scores of the same trials, got {len(x)} and {len(y)}")
    if len(set(x)) < 2 or len(set(y)) < 2:
        return None, None
    n = len(x)
    everybody = np.ones((1, n), dtype=np.float32)
    weights = np.concatenate([everybody, resamples(n)]) if n >= MIN_TRIALS else everybody
    taus, rhos = _correlations(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), weights)
    # one step of each from perfect is one neighbouring pair the other way round
    tau = _interval(taus, n, 4 / (n * (n - 1)), math.sqrt(0.437 / max(n - 4, 1)))
    rho = _interval(rhos, n, 12 / (n * (n * n - 1)), math.sqrt(1.06 / max(n - 3, 1)))
    return tau, rho


def spearman_resampled(x: Sequence[float], y: Sequence[float]) -> Array:
    """Rho of all trials, then of each resample, the same for any two scores of n trials. Not a number where undefined."""
    weights = np.concatenate([np.ones((1, len(x)), dtype=np.float32), resamples(len(x))])
    return _correlations(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), weights)[1]


def resamples(n: int) -> Signs:
    """How often each of n trials is drawn, (S, n). Fewer for many trials: their standard deviation needs no more."""
    n_resamples = min(1000, max(100, 400_000_000 // (n * n)))
    generator = np.random.default_rng(derive("resampled trials", n))
    return generator.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float32)


def _correlations(x: Array, y: Array, weights: Signs) -> tuple[Array, Array]:
    """Tau-b and rho for each row of weights, with the signs of a block of trials against all at a time."""
    agreed, x_apart, y_apart, products, x_squares, y_squares = np.zeros((6, len(weights)))
    for start in range(0, len(x), BLOCK):
        block = slice(start, start + BLOCK)
        own = weights[:, block].astype(np.float64)
        x_signs = np.sign(x[:, None] - x[None, block]).astype(np.float32)
        y_signs = np.sign(y[:, None] - y[None, block]).astype(np.float32)
        agreed += (own * (weights @ (x_signs * y_signs))).sum(axis=1)
        x_apart += (own * (weights @ np.abs(x_signs))).sum(axis=1)
        y_apart += (own * (weights @ np.abs(y_signs))).sum(axis=1)
        x_ranks, y_ranks = (weights @ signs for signs in (x_signs, y_signs))
        products += (own * x_ranks * y_ranks).sum(axis=1)
        x_squares += (own * x_ranks**2).sum(axis=1)
        y_squares += (own * y_ranks**2).sum(axis=1)
    # a resample may hold one trial only, and then has no order
    with np.errstate(divide="ignore", invalid="ignore"):
        return agreed / np.sqrt(x_apart * y_apart), products / np.sqrt(x_squares * y_squares)


def _interval(values: Array, n: int, step: float, independent: float) -> Correlation:
    """The first value is of all trials, the others are of resamples. A perfect one counts as half a step from it."""
    value, largest = float(np.clip(values[0], -1, 1)), 1 - step / 2
    if n < MIN_TRIALS:
        return Correlation(value, None, None, n)
    fisher = np.arctanh(np.clip(values, -largest, largest))
    drawn = fisher[1:]
    error = max(float(drawn[np.isfinite(drawn)].std(ddof=1)), independent)
    low, high = (math.tanh(float(fisher[0]) + side * NORMAL_975 * error) for side in (-1, 1))
    return Correlation(value, -1.0 if value == -1 else low, 1.0 if value == 1 else high, n)
