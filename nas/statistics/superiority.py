"""Whether the proposals of one search are better than those of another: the chance that one of ours beats one of theirs.

It is Mann and Whitney's statistic over the number of pairs; the test shuffles which trial is whose, so that it is exact for
any scores and any ties where both searches propose alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nas.seeds import derive
from nas.statistics.intervals import NORMAL_975

MAX_SHUFFLES: Final = 1999
MAX_SHUFFLED: Final = 2_000_000
"""Trials in all shuffles together."""
NORMAL_80: Final = 0.8416212335729143


@dataclass(frozen=True, slots=True)
class Superiority:
    """share: of all pairs, those in which ours is better; a tie counts half.

    p_better, p_worse: one-sided, that a share as high, or as low, comes about where both propose alike.
    """

    share: float
    p_better: float
    p_worse: float


def superiority(ours: Sequence[float], theirs: Sequence[float]) -> Superiority | None:
    """From one merit for each trial, larger is better. None without a trial on either side."""
    if not ours or not theirs:
        return None
    merits = np.array([*ours, *theirs], dtype=np.float64)
    ranks = _mean_ranks(merits)
    n, n_pairs = len(ours), len(ours) * len(theirs)
    seen = ranks[:n].sum()
    shuffled = _shuffled_sums(ranks, n)
    least = n * (n + 1) / 2
    n_shuffles = len(shuffled)
    return Superiority(
        share=float((seen - least) / n_pairs),
        p_better=(1 + int((shuffled >= seen).sum())) / (1 + n_shuffles),
        p_worse=(1 + int((shuffled <= seen).sum())) / (1 + n_shuffles),
    )


def _mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 1; equal values share the mean of their ranks, a multiple of a half, so that sums of them are exact."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _shuffled_sums(ranks: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The sum of n of the ranks, drawn without replacement, many times."""
    n_shuffles = max(999, min(MAX_SHUFFLES, MAX_SHUFFLED // len(ranks)))
    generator = np.random.default_rng(derive("shuffled trials", len(ranks), n))
    keys = generator.random((n_shuffles, len(ranks)), dtype=np.float32)
    return np.asarray(ranks[np.argpartition(keys, n - 1, axis=1)[:, :n]].sum(axis=1), dtype=np.float64)


def trials_needed(share: float) -> int | None:
    """Trials of each search with which such a share is told from one half 4 times in 5 (Noether 1987); None for one half."""
    if share == 0.5:
        return None
    return math.ceil((NORMAL_975 + NORMAL_80) ** 2 / (6 * (share - 0.5) ** 2))
