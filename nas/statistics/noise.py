"""The noise floor: how much a score moves when nothing but the seed changes, and which difference that lets one see."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import chdtri, nctdtr, stdtrit

POWER: Final = 0.8
SIGNIFICANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """The standard deviation over seeds, pooled over architectures, with its 95 % interval (chi-square).

    n_groups: the architectures that had two seeds or more. high is infinite where the data say nothing of it.
    """

    standard_deviation: float
    low: float
    high: float
    degrees_of_freedom: int
    n_groups: int

    def detectable_difference(self, n_seeds: int) -> float:
        """The smallest difference between two means of `n_seeds` seeds that a test sees 4 times in 5, judged by this floor."""
        return detectable_difference(self.standard_deviation, n_seeds, self.degrees_of_freedom)


def noise_floor(groups: Sequence[Sequence[float]]) -> NoiseFloor | None:
    """From the scores of each architecture, one per seed. None when none has two seeds."""
    repeated = [np.asarray(group, dtype=np.float64) for group in groups if len(group) > 1]
    if not repeated:
        return None
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in repeated)
    freedom = sum(len(group) - 1 for group in repeated)
    low, high = (math.sqrt(squares / float(chdtri(freedom, tail))) for tail in (0.025, 0.975))
    return NoiseFloor(math.sqrt(squares / freedom), low, high, freedom, len(repeated))


def noise_floors(by_task: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, NoiseFloor]:
    """The floor of each task that has one."""
    floors = {task: noise_floor(groups) for task, groups in by_task.items()}
    return {task: floor for task, floor in floors.items() if floor is not None}


def detectable_difference(
    standard_deviation: float,
    n_seeds: int,
    degrees_of_freedom: float | None = None,
    *,
    power: float = POWER,
    significance: float = SIGNIFICANCE,
) -> float:
    """The true difference between two means of `n_seeds` that a two-sided t test finds with this power (noncentral t).

    degrees_of_freedom: of the standard deviation that the test goes by; left out, those of the two means' own seeds,
    2 (n_seeds - 1). Infinite for one seed each, which has no standard deviation of its own.
    """
    if n_seeds < 1:
        raise ValueError(f"a mean needs one seed or more, got {n_seeds}")
    freedom = 2 * (n_seeds - 1) if degrees_of_freedom is None else degrees_of_freedom
    if freedom <= 0:
        return math.inf
    return _noncentrality(freedom, power, significance) * standard_deviation * math.sqrt(2 / n_seeds)


def _noncentrality(freedom: float, power: float, significance: float) -> float:
    """The distance in standard errors at which the test has this power, by bisection: power only rises with it."""
    critical = float(stdtrit(freedom, 1 - significance / 2))
    low, high = 0.0, 2 * critical + 10
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        found = 1 - float(nctdtr(freedom, middle, critical)) + float(nctdtr(freedom, middle, -critical))
        low, high = (middle, high) if found < power else (low, middle)
    return high
