"""From trainings to a score: the learning rate that validation chose, test values at it, and a 95 % interval. Pure functions.

The interval covers the draw of the test sequences, which all replicas share, and with two replicas or more also their seeds
(`nas.statistics.intervals`). `Result.interval` says which.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from statistics import fmean, stdev
from typing import Literal

from nas.statistics.intervals import mean_interval
from nas.tasks import Task


@dataclass(frozen=True, slots=True)
class Measured:
    """One replica's metric on the validation and the test sequences; `sample_error` is the standard error of `test`.

    further, further_validation: what else the task reports, on test and on validation sequences, by name.
    """

    validation: float
    test: float
    sample_error: float
    further: Mapping[str, float] = field(default_factory=dict)
    further_validation: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A task at the learning rate of grid position `index`."""

    task: Task
    index: int
    edge_of_grid: bool
    replicas: tuple[Measured, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The test metric of each replica."""
        return tuple(replica.test for replica in self.replicas)

    @property
    def scores(self) -> tuple[float, ...]:
        """The same on the task's scale of 0 to 1."""
        return tuple(self.task.score(value) for value in self.values)

    @property
    def score(self) -> float:
        """The mean over replicas."""
        return fmean(self.scores)

    @property
    def validation_score(self) -> float:
        """The mean over replicas, on the validation sequences."""
        return fmean(self.task.score(replica.validation) for replica in self.replicas)

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric of the task on test data, each the mean over replicas."""
        return {self.task.metric: fmean(self.values)} | _means([replica.further for replica in self.replicas])

    @property
    def validation_metrics(self) -> dict[str, float]:
        """The same on validation data, where there is such."""
        own = {self.task.metric: fmean(replica.validation for replica in self.replicas)}
        return own | _means([replica.further_validation for replica in self.replicas])

    @property
    def standard_error(self) -> float:
        """Of the mean test metric: over replicas where there are several, else over test sequences."""
        if len(self.replicas) > 1:
            return stdev(self.values) / math.sqrt(len(self.replicas))
        return self.replicas[0].sample_error

    @property
    def sample_score_error(self) -> float:
        """The first replica's standard error, on the scale of the score."""
        value, error = self.replicas[0].test, self.replicas[0].sample_error
        return abs(self.task.score(value + error) - self.task.score(value - error)) / 2


@dataclass(frozen=True, slots=True)
class Score:
    """The mean over tasks with its 95 % interval, and the same mean on validation data for the search to go by."""

    value: float
    low: float
    high: float
    interval: Literal["replicas", "test_sample"]
    validation: float


def choose(task: Task, n_rates: int, measured: Mapping[int, Sequence[Measured | None]]) -> Chosen | None:
    """The best learning rate by mean validation metric; None when every one has a diverged replica.

    Equal rates: the one nearest the middle of the grid, so that `edge_of_grid` means that no inner rate did as well. A grid of
    one or two rates has no inner one and is never flagged.
    """
    complete = {
        index: tuple(replica for replica in replicas if replica is not None)
        for index, replicas in measured.items()
        if all(replica is not None for replica in replicas)
    }
    if not complete:
        return None
    sign = 1 if task.higher_is_better else -1
    middle = (n_rates - 1) / 2

    def preference(index: int) -> tuple[float, float, int]:
        return (sign * fmean(replica.validation for replica in complete[index]), -abs(index - middle), -index)

    index = max(complete, key=preference)
    return Chosen(task, index, n_rates > 2 and index in (0, n_rates - 1), complete[index])


def sensitivity(task: Task, measured: Mapping[int, Sequence[Measured | None]]) -> float:
    """How far the validation score moves over the grid of learning rates, 0 to 1: best minus worst, diverged counting as 0."""
    scores = [
        fmean(0.0 if replica is None else task.score(replica.validation) for replica in replicas)
        for replicas in measured.values()
    ]
    return max(scores) - min(scores)


def score(tasks: Sequence[Chosen]) -> Score:
    """The mean of the tasks' scores, with an interval cut to the scale's 0 to 1."""
    by_replica = [fmean(scores) for scores in zip(*(task.scores for task in tasks), strict=True)]
    of_sample = math.hypot(*(task.sample_score_error for task in tasks)) / len(tasks)
    interval = mean_interval(by_replica, of_sample).within(0, 1)
    validation = fmean(task.validation_score for task in tasks)
    return Score(fmean(by_replica), interval.low, interval.high, interval.covers, validation)


def weighted_mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """The task's value, from its metric on each sequence."""
    return math.fsum(map(mul, values, weights)) / math.fsum(weights)


def sample_error(task: Task, values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """The standard error of the weighted mean of the test sequences' values, that of a ratio.

    One sequence at chance is counted in: a model that made no mistake in 500 sequences may still make one in the next.
    """
    counted = (*values, task.chance())
    mean_weight = fmean(weights) if weights else 1.0
    relative = (*(weight / mean_weight for weight in weights or [1.0] * len(values)), 1.0)
    mean = weighted_mean(counted, relative)
    return stdev(weight * (value - mean) for value, weight in zip(counted, relative, strict=True)) / math.sqrt(len(counted))


def _means(replicas: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of what every replica has: on longer sequences one may have no finite predictions."""
    everywhere = [name for name in replicas[0] if all(name in replica for replica in replicas)]
    return {name: fmean(replica[name] for replica in replicas) for name in everywhere}
