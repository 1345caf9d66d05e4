"""Hypervolumes against Optuna's, and against points thrown at the box."""

from typing import Any

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from nas.statistics.hypervolume import growth, hypervolume, levels, non_dominated


@pytest.mark.parametrize("n_objectives", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_hypervolume_is_that_of_optuna(n_objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # coarse, so that some coordinates are equal and some are 0
    points = rng.integers(0, 12, (40, n_objectives)) / 11
    assert hypervolume(points) == pytest.approx(compute_hypervolume(-points, np.zeros(n_objectives)))


def test_hypervolume_is_the_share_of_the_box_that_is_dominated() -> None:
    rng = np.random.default_rng(1)
    points, thrown = rng.random((6, 3)), rng.random((200_000, 3))
    dominated = np.any(np.all(thrown[:, None] <= points, axis=2), axis=1).mean()
    assert hypervolume(points) == pytest.approx(dominated, abs=0.005)


def test_nothing_dominates_nothing() -> None:
    assert hypervolume(np.empty((0, 2))) == 0
    assert hypervolume(np.array([[0.0, 1.0], [1.0, -1.0]])) == 0
    assert hypervolume(np.array([[0.5, 0.5]])) == 0.25


@pytest.mark.parametrize("seed", range(5))
def test_fronts_are_what_dominance_says(seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 6, (30, 3)).astype(float)

    def front(points: Any) -> list[bool]:
        return [not any(bool((q >= p).all() and (q != p).any()) for q in points) for p in points]

    assert non_dominated(points).tolist() == front(points)
    found = levels(points)
    for level in range(found.max() + 1):
        left = points[found >= level]
        assert (found[found >= level] == level).tolist() == front(left)


def test_growth_is_the_hypervolume_of_what_came_so_far() -> None:
    points = np.random.default_rng(2).random((25, 3))
    assert growth(points) == pytest.approx([hypervolume(points[: n + 1]) for n in range(25)])
