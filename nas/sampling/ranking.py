"""Which trials are better: those that keep the constraints, by non-dominated fronts; then the others, by how much they break.

Of equal trials one is on a front and the next on the one behind it, so that a front holds different ones.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from optuna.study._multi_objective import _is_pareto_front

from nas.sampling.memory import ON_FRONT, UNCHECKED, Array, Numbers, Told

MARGIN: Final = 0.1
"""The reference point is so much worse than a front's worst values, as a share of their range: a front's ends count too."""
MAX_COMPARED: Final = 100
"""Of a longer front so many, drawn at random, compete for their place by hypervolume: it keeps a proposal below 10 ms."""


def best_first(told: Told, generator: np.random.Generator) -> Iterator[int]:
    """All settled trials, in a random order where none is better."""
    for front in _fronts_of(told):
        yield from generator.permutation(front).tolist()
    yield from _least_broken(told).tolist()


def best_of(told: Told, numbers: Numbers, generator: np.random.Generator) -> int:
    """One of some settled trials that none of them beats, at random."""
    violation = told.violation[numbers]
    least = generator.permutation(numbers[violation == violation.min()])
    return int(least[0] if violation.min() > 0 else least[next(fronts(told.losses[least]))[0]])


def elite(told: Told, size: int, generator: np.random.Generator) -> Numbers:
    """The best so many trials: whole fronts, and of the last one those that together hold the most hypervolume."""
    chosen, left = [], size
    for front in _fronts_of(told):
        chosen.append(front if len(front) <= left else _holding_most(told, front, left, generator))
        left -= len(chosen[-1])
        if left == 0:
            return np.concatenate(chosen)
    return np.concatenate([*chosen, _least_broken(told)[:left]])


def fronts(losses: Array) -> Iterator[Numbers]:
    """Places of the losses, (n, objectives), front after front. With one objective each front is one trial."""
    left = np.lexsort(losses.T[::-1])
    if losses.shape[1] == 1:
        yield from left[:, None]
        return
    while len(left):
        on_front = _is_pareto_front(losses[left], assume_unique_lexsorted=True)
        yield left[on_front]
        left = left[~on_front]


def _fronts_of(told: Told) -> Iterator[Numbers]:
    """The first front by what is noted of it already, since a long one is dear to find anew."""
    feasible = told.feasible
    if told.losses.shape[1] == 1:
        yield from (feasible[places] for places in fronts(told.losses[feasible]))
        return
    new = feasible[told.beaten_by[feasible] == UNCHECKED]
    best = new[next(fronts(told.losses[new]), np.empty(0, dtype=np.int64))]
    for number in np.setdiff1d(new, best).tolist():
        told.beaten_by[number] = best[(told.losses[best] <= told.losses[number]).all(axis=1).argmax()]
    for number in best.tolist():
        _place(told, number, feasible[told.beaten_by[feasible] == ON_FRONT])
    on_front = told.beaten_by[feasible] == ON_FRONT
    yield feasible[on_front]
    behind = feasible[~on_front]
    yield from (behind[places] for places in fronts(told.losses[behind]))


def _place(told: Told, number: int, front: Numbers) -> None:
    """Note whether a trial belongs to the front, and which others do not any more. Of equal trials the first does."""
    own, others = told.losses[number], told.losses[front]
    behind, ahead = (own <= others).all(axis=1), (others <= own).all(axis=1)
    beats = ahead & ~(behind & (front > number))
    if beats.any():
        told.beaten_by[number] = front[beats.argmax()]
        return
    told.beaten_by[front[behind]] = number
    told.beaten_by[number] = ON_FRONT


def _least_broken(told: Told) -> Numbers:
    broken = np.flatnonzero(told.violation > 0)
    return broken[np.argsort(told.violation[broken], kind="stable")]


def _holding_most(told: Told, front: Numbers, size: int, generator: np.random.Generator) -> Numbers:
    """Of a front, `size` trials: each adds the most to the hypervolume that those before it hold.

    The volume that nobody holds yet is kept as disjoint boxes. A trial takes its part out of those it reaches into, and what is
    left of each are boxes again, one for each objective: nearer than the trial there, and no nearer in those before.
    """
    if len(front) > max(MAX_COMPARED, size):
        front = generator.choice(front, size=max(MAX_COMPARED, size), replace=False)
    losses = told.losses[front]
    best, worst = losses.min(axis=0), losses.max(axis=0)
    # in shares of the front's range, so that the margin is the same for parameters as for accuracies
    points = (losses - best) / np.where(worst > best, worst - best, 1.0)
    lower, upper = np.zeros((1, points.shape[1])), np.full((1, points.shape[1]), 1 + MARGIN)
    gains = (1 + MARGIN - points).prod(axis=1)
    chosen = []
    for _ in range(size):
        pick = int(gains.argmax())
        chosen.append(pick)
        corner = np.maximum(lower, points[pick])
        reached = (corner < upper).all(axis=1)
        taken = np.maximum(corner[reached], points[:, None])
        gains -= np.maximum(upper[reached] - taken, 0).prod(axis=2).sum(axis=1)
        gains[pick] = -np.inf
        lower, upper = _without(lower, upper, corner, reached)
    return np.asarray(front[chosen], dtype=np.int64)


def _without(lower: Array, upper: Array, corner: Array, reached: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The boxes, (boxes, objectives), less what lies beyond a corner of each that is reached."""
    kept = [(lower[~reached], upper[~reached])]
    low, high, corner = lower[reached], upper[reached], corner[reached]
    for axis in range(low.shape[1]):
        nearer = low[:, axis] < corner[:, axis]
        below = high.copy()
        below[:, axis] = corner[:, axis]
        kept.append((low[nearer], below[nearer]))
        low = low.copy()
        low[:, axis] = corner[:, axis]
    lows, highs = zip(*kept, strict=True)
    return np.concatenate(lows), np.concatenate(highs)
