"""Hypervolume over cost against every order, read off one by one."""

from itertools import permutations

import numpy as np
import pytest

from nas.statistics.frontier import Frontier, hypervolume_curve, lead_interval
from nas.statistics.hypervolume import hypervolume


def made(seed: int, n_trials: int, *, exchangeable: bool, error: float = 0.0) -> Frontier:
    """Every other trial has a second run, which changes its point."""
    rng = np.random.default_rng(seed)
    trial = np.array([number for number in range(n_trials) for _ in range(1 + number % 2)], dtype=np.intp)
    n = len(trial)
    return Frontier(trial, rng.integers(1, 4, n).astype(float), rng.random((n, 2)), np.full(n, error), exchangeable)


def test_a_learning_search_stands_where_the_newest_runs_put_it() -> None:
    arm = made(0, 8, exchangeable=False)
    spent = arm.cost.cumsum()
    costs = np.arange(0.0, spent[-1] + 1)
    for cost, value in zip(costs, hypervolume_curve(arm, costs).value, strict=True):
        newest = {trial: point for trial, point, end in zip(arm.trial.tolist(), arm.points, spent, strict=True) if end <= cost}
        assert value == pytest.approx(hypervolume(np.array(list(newest.values())).reshape(-1, 2)))


def test_random_search_is_the_mean_over_all_orders_of_whole_trials() -> None:
    arm = made(1, 6, exchangeable=True)
    costs = np.arange(0.0, arm.cost.sum() + 1)
    whole = arm.whole
    assert whole.cost.sum() == arm.cost.sum()
    assert [tuple(point) for point in whole.points] == [tuple(arm.points[arm.trial == n][-1]) for n in range(6)]
    every = np.array(
        [
            [hypervolume(whole.points[list(order)][whole.cost[list(order)].cumsum() <= cost]) for cost in costs]
            for order in permutations(range(6))
        ]
    )
    found = hypervolume_curve(arm, costs)
    assert found.value == pytest.approx(every.mean(axis=0), abs=0.06)
    assert (found.low >= every.min(axis=0) - 1e-12).all()
    assert (found.high <= every.max(axis=0) + 1e-12).all()
    assert found.low[-1] == pytest.approx(found.high[-1])


def test_a_lead_scatters_with_the_errors_of_the_scores() -> None:
    ours, theirs = made(2, 9, exchangeable=False), made(3, 9, exchangeable=True)
    cost = min(ours.cost.sum(), theirs.cost.sum())
    value = float(np.subtract(*(hypervolume_curve(arm, np.array([cost])).value[0] for arm in (ours, theirs))))
    low, high = lead_interval(ours, theirs, cost, value)
    noisy = [Frontier(arm.trial, arm.cost, arm.points, arm.error + 0.1, arm.exchangeable) for arm in (ours, theirs)]
    wider_low, wider_high = lead_interval(noisy[0], noisy[1], cost, value)
    assert low <= value <= high
    assert wider_high - wider_low > high - low
