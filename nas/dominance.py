"""Who dominates whom among many trials at once. Arrays are [n_trials, n_objectives]; larger is better in all of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_MAX_PAIRS = 1_000_000
"""Compared at once, so that memory stays small however many there are."""


def dominated(points: Points, others: Points) -> NDArray[np.bool_]:
    """Of each point [n], whether any of the others [k] is at least as good everywhere and not the same: a mask [n]."""
    found = np.zeros(len(points), dtype=np.bool_)
    for block in _blocks(others, len(points)):
        found |= _pairs(points, block).any(axis=0)
    return found


def _pairs(points: Points, others: Points) -> NDArray[np.bool_]:
    """[k, n]: whether other k dominates point n. One objective after the other: a third axis would cost most of the time."""
    no_worse = np.ones((len(others), len(points)), dtype=np.bool_)
    better = np.zeros_like(no_worse)
    for objective in range(points.shape[1]):
        theirs, own = others[:, objective, None], points[None, :, objective]
        no_worse &= theirs >= own
        better |= theirs > own
    return no_worse & better


def _blocks(others: Points, n_points: int) -> Iterator[Points]:
    size = max(1, _MAX_PAIRS // max(1, n_points))
    return (others[start : start + size] for start in range(0, len(others), size))
