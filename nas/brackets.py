"""Hyperband's brackets (arXiv 1603.06560): which rung a trial starts at, by its number alone.

Bracket s starts at rung s, from scratch: the higher, the fewer trials, and the less a poor score at a small budget costs.
Nobody waits for a bracket to be full, as in asynchronous Hyperband (arXiv 1810.05934, section 3).
"""

from bisect import bisect_right
from functools import cache
from itertools import accumulate

import numpy as np

from nas.study import StudySpec

_GOLDEN = 2_654_435_769
"""2³² divided by the golden ratio: multiples of it, modulo 2³², fall as evenly as any sequence can, wherever one stops."""


def first_rung(spec: StudySpec, number: int) -> int:
    """The rung a trial starts at, which is its bracket. References start at the lowest."""
    if spec.halving is None or number < len(spec.references):
        return 0
    bounds = _bounds(spec.halving.eta, len(spec.protocol.rungs), spec.halving.brackets)
    return _bracket(number - len(spec.references), bounds)


def bracket_sizes(spec: StudySpec, n_trials: int) -> tuple[int, ...]:
    """How many of the search's first trials are in each bracket; one bracket where there is no halving."""
    if spec.halving is None or spec.halving.brackets == 1:
        return (n_trials,)
    bounds = _bounds(spec.halving.eta, len(spec.protocol.rungs), spec.halving.brackets)
    places = np.arange(n_trials, dtype=np.uint64) * np.uint64(_GOLDEN) % np.uint64(2**32) * np.uint64(bounds[-1]) >> np.uint64(
        32
    )
    started = np.searchsorted(np.array(bounds, dtype=np.uint64), places, side="right")
    return tuple(map(int, np.bincount(started, minlength=len(bounds))))


def _bracket(index: int, bounds: tuple[int, ...]) -> int:
    return bisect_right(bounds, index * _GOLDEN % 2**32 * bounds[-1] >> 32)


@cache
def _bounds(eta: int, n_rungs: int, n_brackets: int) -> tuple[int, ...]:
    """Where each bracket's share of the trials ends.

    Hyperband's sizes, ceil((s + 1 rungs of the longest bracket) / (own rungs) x eta^(own rungs - 1)): with budgets that rise by
    eta from rung to rung every bracket then costs about the same.
    """
    own_rungs = range(n_rungs, n_rungs - n_brackets, -1)
    return tuple(accumulate(-(-n_rungs * eta ** (own - 1) // own) for own in own_rungs))
