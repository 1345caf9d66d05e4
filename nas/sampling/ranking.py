"""Which trials are better: those that keep the constraints, by non-dominated fronts; then the others, by how much they break.

Fronts come off a sorted array one by one, as far as they are asked for. Of equal trials one is on a front and the next on the
one behind it, so that a front holds different ones.
"""

from collections.abc import Iterator

import numpy as np
from optuna._hypervolume import _solve_hssp
from optuna.study._multi_objective import _is_pareto_front

from nas.sampling.memory import Array, Numbers, Told

MARGIN = 0.1
"""The reference point is so much worse than a front's worst values, as a share of their range: a front's ends count too."""


def best_first(told: Told, numbers: Numbers, generator: np.random.Generator) -> Iterator[int]:
    """The settled trials among the numbers, in a random order where none is better."""
    shuffled = generator.permutation(numbers)
    violation = told.violation[shuffled]
    feasible = shuffled[violation == 0]
    for front in fronts(told.losses[feasible]):
        yield from feasible[front].tolist()
    yield from shuffled[np.argsort(violation, kind="stable")][len(feasible) : np.count_nonzero(violation >= 0)].tolist()


def elite(told: Told, size: int) -> Numbers:
    """The best so many trials: whole fronts, and of the last one those that together hold the most hypervolume."""
    feasible, left, chosen = np.flatnonzero(told.violation == 0), size, []
    for front in fronts(told.losses[feasible]):
        numbers = feasible[front]
        chosen.append(numbers if len(numbers) <= left else _holding_most(told.losses, numbers, left))
        left -= len(chosen[-1])
        if left == 0:
            return np.concatenate(chosen)
    broken = np.flatnonzero(told.violation > 0)
    return np.concatenate([*chosen, broken[np.argsort(told.violation[broken], kind="stable")][:left]])


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


def _holding_most(losses: Array, front: Numbers, size: int) -> Numbers:
    """Of a front, `size` trials: each adds the most to the hypervolume of those before it, exactly computed."""
    worst, best = losses[front].max(axis=0), losses[front].min(axis=0)
    # in shares of the front's range, so that the margin is the same for parameters as for accuracies
    shares = (losses[front] - best) / np.where(worst > best, worst - best, 1.0)
    return _solve_hssp(shares, front, size, np.full(shares.shape[1], 1 + MARGIN))
