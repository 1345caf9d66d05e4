"""The part of a report about whether the search paid: its curves beside those of searches with the same budget."""

from typing import Literal

from nas.report.estimate import Estimate
from nas.study import StudyState
from search_spaces.document import Document


class CostPoint(Document):
    """A value after so many optimiser steps."""

    optimiser_steps: int
    value: float
    low: float
    high: float


class Axis(Document):
    """An objective as the hypervolume has it: from the worst value that any feasible trial of any arm has, to the best."""

    objective: str
    worst: float
    best: float


class SearchArm(Document):
    """A search: the study's own, or a baseline.

    optimiser_steps: of its own trials, references and fresh seeds not included. on_front: its trials at the highest rung that
    no other of them beats on every objective. infeasible, duplicates: proposals that were never trained.
    broken: trials that were trained and then broke a constraint. curve: the score of what would be taken home; of random search
    the mean over orders. hypervolume: a share of the box that `Payoff.axes` spans, of a study with several objectives.
    """

    study: str
    name: str
    sampler: str
    state: StudyState
    measured: int
    budget: int
    optimiser_steps: int
    on_front: int
    infeasible: int
    broken: int
    duplicates: int
    failed: int
    curve: tuple[CostPoint, ...] = ()
    hypervolume: tuple[CostPoint, ...] = ()


class Comparison(Document):
    """The search against one baseline at equal cost: `optimiser_steps`, the whole of the shorter arm.

    measure: what is compared, the score that is taken home or, with several objectives, the hypervolume. ours, theirs: that at
    equal cost; difference: ours less theirs. superiority: the chance that a trial of the search beats one of the baseline at
    the first rung; p_value: that a share as far from a half, on its side, comes about where both propose alike; None for a
    baseline that learns. better and worse: both the difference and, where it is known, the superiority leave no doubt.
    more_trials, more_seeds: of each search, to tell what is not told yet, as things stand. final: both have ended.
    """

    baseline: SearchArm
    measure: Literal["score", "hypervolume"]
    optimiser_steps: int
    ours: Estimate | None = None
    theirs: Estimate | None = None
    difference: Estimate | None = None
    superiority: float | None = None
    p_value: float | None = None
    more_trials: int | None = None
    more_seeds: int | None = None
    verdict: Literal["better", "not_shown", "worse", "too_few"]
    final: bool
    headline: str
    details: str


class Payoff(Document):
    """Did the search pay? search: None for a study that has not been compared, such as one from before there were baselines.

    accompanies: the name of the study that this one is a baseline of, whose report has the comparison.
    """

    search: SearchArm | None = None
    comparisons: tuple[Comparison, ...] = ()
    axes: tuple[Axis, ...] = ()
    accompanies: str | None = None
