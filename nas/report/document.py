"""A study's report as one document: everything that its page shows, versioned, without anything that draws it.

Scores are on the scale of 0 to 1. None stands for what a study of this kind, or at this moment, does not have.
"""

from datetime import datetime
from typing import Literal

from nas.report.estimate import Estimate
from nas.report.payoff_document import Payoff
from nas.study import StudySpec, StudyState
from search_spaces.document import Document


class Identity(Document):
    """Which study, and how far it is. `last_event` says of which moment the report is."""

    id: str
    name: str
    state: StudyState
    reason: str | None
    spec_digest: str
    last_event: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    measured: int
    budget: int
    counts: dict[str, int]
    space_size: int
    final: bool


class OnDevice(Document):
    """What the runs on one kind of device took."""

    device: str
    hosts: tuple[str, ...]
    runs: int
    wall_seconds: float


class Failed(Document):
    """Runs that gave no result, and one of their messages."""

    kind: str
    runs: int
    seconds: float
    example: str


class Spent(Document):
    """The cost from end to end. Seconds of runs overlap; `elapsed_seconds` is by the clock, from start to end or until now.

    reused_runs: those answered with another study's result. infeasible, duplicates: proposals that no worker ever saw, because
    their exact cost breaks a constraint or their architecture was known.
    """

    runs: int
    reused_runs: int = 0
    infeasible: int = 0
    duplicates: int = 0
    optimiser_steps: int
    tokens: int
    devices: tuple[OnDevice, ...]
    failed: tuple[Failed, ...]
    failed_seconds: float
    failed_trials: int
    elapsed_seconds: float | None


class Noise(Document):
    """How much a score moves when nothing but the seed does. `task` is None for the whole score.

    detectable_difference: between two means of `n_seeds` seeds, the fewest that were measured, seen 4 times in 5.
    measured_with: references, or every trial where no reference has two seeds.
    """

    task: str | None
    standard_deviation: float
    low: float
    high: float | None
    degrees_of_freedom: int
    n_architectures: int
    measured_with: Literal["references", "all trials"]
    n_seeds: int
    detectable_difference: float | None


class Standing(Document):
    """A leader: a trial at the highest rung that any has reached. rung: above the protocol's rungs for a confirmed one.

    covers: whether the interval covers seeds, or only the draw of the test set. group: 1 is everybody not told apart from the
    best mean; p_value: corrected, against the leader of its group. of_parts, of_mixers: attention's share with both
    denominators.
    """

    rank: int
    number: int
    reference: str | None
    summary: str
    architecture: str
    rung: int
    score: float
    low: float
    high: float
    covers: Literal["replicas", "test_sample"]
    seeds: tuple[float, ...]
    group: int
    p_value: float
    judged_by: Literal["replicas", "borrowed", "test_sample", "none"]
    params: int
    flops_per_token: int
    state_bytes: int
    attention_of_parts: float
    attention_of_mixers: float


class Curse(Document):
    """The trial that the search itself would pick, on the search's own seeds and measured again on fresh ones.

    search_score: on test data, as its rung showed it; validation_score: what the search went by. drop: the search's score less
    the fresh mean; expected_drop: what luck alone would explain. confirmed: the search's score lies in the fresh interval.
    """

    number: int
    search_score: float
    validation_score: float
    fresh: Estimate
    fresh_seeds: tuple[float, ...]
    drop: float
    expected_drop: float | None
    confirmed: bool


class Winner(Document):
    """The first of the search's own trials on the leaderboard. tied: how many others share its group.

    picked: the number of the trial with the best validation score at the last rung; curse: of that one, None where it was not
    measured again.
    """

    number: int
    summary: str
    score: float
    low: float
    high: float
    covers: Literal["replicas", "test_sample"]
    n_seeds: int
    tied: int
    picked: int | None
    curse: Curse | None


class Progress(Document):
    """The best score at the last rung so far, after so many optimiser steps of all runs together."""

    optimiser_steps: int
    best: float


class RateUse(Document):
    """A learning rate over all trials of a task at their highest rung."""

    learning_rate: float
    trainings: int
    diverged: int
    chosen: int


class TaskLedger(Document):
    """How a task's learning rate was chosen. sensitivity: the validation score's spread over the grid; at_edge: trials whose
    best rate is the last one of the grid at either end."""

    task: str
    rates: tuple[RateUse, ...]
    trials: int
    at_edge: int
    mean_sensitivity: float | None
    largest_sensitivity: float | None


class RatePoint(Document):
    """The mean validation score at a learning rate; a diverged replica counts as 0."""

    learning_rate: float
    validation: float


class RateCurve(Document):
    """A leader's validation score against the learning rate, at the last rung of the protocol that it has."""

    number: int
    reference: str | None
    task: str
    chosen: float
    at_edge: bool
    points: tuple[RatePoint, ...]


class Precision(Document):
    """Of the best k by a proxy, the share that is among the best k by the score."""

    k: int
    share: float


class Pair(Document):
    """A trial at two rungs."""

    number: int
    lower: float
    upper: float


class RungCalibration(Document):
    """How a rung's validation score orders trials against the next rung's score; larger is better in both.

    n_both: trials that have both scores, of which at most 2,000, evenly spread, are compared.

    parameters: rho of the parameter count alone over the same trials. difference: rho less that of the parameter count.
    warning: None for a rung that is better, and for the last one, which stands for nothing. pairs: at most 300 of the trials.
    """

    lower: int
    upper: int
    n_trials: int
    n_both: int | None = None
    kendall: Estimate | None
    spearman: Estimate | None
    precision: tuple[Precision, ...]
    parameters: float | None
    difference: Estimate | None
    verdict: Literal["better", "not_shown", "worse", "too_few"]
    warning: str | None
    pairs: tuple[Pair, ...]


def is_doubtful(rung: RungCalibration) -> bool:
    """Whether enough trials were compared, and the rung is not shown to be better than the parameter count."""
    return rung.verdict in ("not_shown", "worse") and rung.warning is not None


class TaskCalibration(Document):
    """A task's validation score at a lower rung against the whole score above; sign is 0 where the interval leaves doubt."""

    rung: int
    task: str
    n_trials: int
    spearman: Estimate | None
    sign: int


class ParameterRank(Document):
    """Rho of the parameter count alone with the score at a rung: the proxy to beat, which costs nothing."""

    rung: int
    n_trials: int
    spearman: Estimate | None


class Calibration(Document):
    """Whether the cheap scores may be believed."""

    rungs: tuple[RungCalibration, ...] = ()
    tasks: tuple[TaskCalibration, ...] = ()
    parameters: tuple[ParameterRank, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of the rungs that do not rank better than the parameter count does."""
        return tuple(rung.warning for rung in self.rungs if rung.warning is not None and is_doubtful(rung))


class Answer(Document):
    """One practice of Lindauer and Hutter's checklist (arXiv 1909.02453): whether this study keeps it, and the evidence."""

    item: int
    practice: str
    answer: Literal["yes", "no", "not applicable"]
    evidence: str


class Replay(Document):
    """What it takes to do it again: the command on `study.json`, and what this one ran on."""

    command: str
    version: str
    reported_by: str
    run_by: tuple[str, ...]
    packages: dict[str, str]
    seed: int


class GeneLevel(Document):
    """A value of a gene: the mean score it would have with all other genes as they are on average. Numbers come in ranges."""

    value: str
    n_trials: int
    mean: Estimate


class GeneEffect(Document):
    """A gene. share: of the variance of the score; p_value: corrected over all genes; optuna: its importance by Optuna's own
    estimate, which adds up to 1 over the genes."""

    gene: str
    share: Estimate
    p_value: float
    levels: tuple[GeneLevel, ...]
    optuna: float | None


class GenePair(Document):
    """Two genes that do more together than their parts. best: the values whose score gains most by it."""

    genes: tuple[str, str]
    share: Estimate
    p_value: float
    best: tuple[str, str] | None
    effect: Estimate | None


class Attribution(Document):
    """Which gene won, over the search's own trials with a score at `rung`: the highest that at least half of them have reached.

    adjusted: whether each gene was judged with the others held equal; else there were too few trials for that.
    """

    rung: int | None = None
    n_trials: int = 0
    adjusted: bool = False
    explained: float | None = None
    genes: tuple[GeneEffect, ...] = ()
    pairs: tuple[GenePair, ...] = ()


class Report(Document):
    """Everything a study may claim. `warnings` are the sentences that a reader must not miss."""

    version: Literal[1] = 1
    study: Identity
    spec: StudySpec
    warnings: tuple[str, ...]
    spent: Spent
    progress: tuple[Progress, ...]
    noise: tuple[Noise, ...]
    leaderboard: tuple[Standing, ...]
    n_scored: int
    winner: Winner | None
    ledger: tuple[TaskLedger, ...]
    rate_curves: tuple[RateCurve, ...]
    calibration: Calibration
    attribution: Attribution
    payoff: Payoff = Payoff()
    checklist: tuple[Answer, ...]
    replay: Replay
