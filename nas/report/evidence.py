"""What a study measured, as frozen values that its statistics are computed from.

Scores are on the scale of 0 to 1. A run above the last rung confirms: one fresh seed, trained from scratch.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from sqlalchemy import Engine

from nas.keys import Principal
from nas.protocol import Protocol
from nas.run import RunState
from nas.sample_error import sample_error
from nas.store.measurements import Decoded, StoredRun, StoredStudy, read_study
from nas.store.views import StudyRow, TrialRow
from nas.study import StudySpec
from nas.tasks import Task
from nas.trial import Params, TrialState


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One training of the ledger: what a learning rate came to on validation data with one replica; None when it diverged."""

    task: str
    learning_rate: float
    replica: int
    validation: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScores:
    """A task of a run at the learning rate that validation chose: one test score per replica, and the validation mean."""

    learning_rate: float
    edge_of_grid: bool
    scores: tuple[float, ...]
    validation: float
    sensitivity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run that succeeded. sample_error: of its score, from the test sample, where it has one seed. metrics: on test data.

    Steps, tokens and seconds are its own, not those of the rungs below."""

    rung: int
    score: float
    validation: float
    sample_error: float
    metrics: Mapping[str, float]
    tasks: Mapping[str, TaskScores]
    ledger: tuple[Tried, ...]
    n_params: int
    optimiser_steps: int
    tokens: int
    wall_seconds: float
    device: str
    host: str
    versions: Mapping[str, str]
    ended_at: datetime | None
    reused: bool = False

    @property
    def by_seed(self) -> tuple[float, ...]:
        """The mean over tasks for each replica."""
        return tuple(fmean(scores) for scores in zip(*(task.scores for task in self.tasks.values()), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A run that gave no result: what it cost and why. `kind` is the failure's, or `lost` with its driver."""

    number: int
    rung: int
    kind: str
    message: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEvidence:
    """A trial with the result of each of its rungs. `fresh` are its confirmations, in order of their seeds."""

    row: TrialRow
    params: Params
    rungs: Mapping[int, Measured]
    fresh: tuple[Measured, ...]

    @property
    def feasible(self) -> bool:
        """Whether it keeps its study's constraints."""
        return self.row.state is not TrialState.INFEASIBLE

    @property
    def fresh_scores(self) -> tuple[float, ...]:
        """One score for each fresh seed."""
        return tuple(score for run in self.fresh for score in run.by_seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A study at one moment."""

    study: StudyRow
    spec: StudySpec
    trials: tuple[TrialEvidence, ...]
    failed: tuple[Attempt, ...]
    n_runs: int

    @property
    def highest(self) -> int | None:
        """The highest rung that any feasible trial has a score at; above the last one are confirmations."""
        rungs = (trial.row.rung for trial in self.trials if trial.feasible)
        return max((rung for rung in rungs if rung is not None), default=None)

    def at(self, rung: int) -> tuple[TrialEvidence, ...]:
        """The trials with a result at this rung, by number."""
        return tuple(trial for trial in self.trials if rung in trial.rungs)

    def results(self) -> Iterator[Measured]:
        """Of every run that succeeded."""
        for trial in self.trials:
            yield from trial.rungs.values()
            yield from trial.fresh


def read_evidence(engine: Engine, principal: Principal, study_id: str) -> Evidence:
    """Everything that the study measured so far. Raises `NotFound`."""
    return evidence(read_study(engine, principal, study_id))


def evidence(stored: StoredStudy) -> Evidence:
    """The same from what the store holds."""
    protocol = stored.view.spec.protocol
    tasks = protocol.by_key()
    results: dict[int, dict[int, Measured]] = {}
    failed = []
    for run in stored.runs:
        if run.result is not None:
            results.setdefault(run.number, {})[run.rung] = _measured(run, run.result, tasks)
        elif run.state in (RunState.FAILED, RunState.LOST):
            failed.append(_attempt(run))
    return Evidence(
        study=stored.view.row,
        spec=stored.view.spec,
        trials=tuple(_trial(row, params, results.get(row.number, {}), protocol) for row, params in stored.trials),
        failed=tuple(failed),
        n_runs=len(stored.runs),
    )


def _trial(row: TrialRow, params: Params, results: Mapping[int, Measured], protocol: Protocol) -> TrialEvidence:
    last = protocol.last_rung
    return TrialEvidence(
        row=row,
        params=params,
        rungs={rung: result for rung, result in results.items() if rung <= last},
        fresh=tuple(results[rung] for rung in sorted(results) if rung > last),
    )


def _attempt(run: StoredRun) -> Attempt:
    failure = run.failure or {}
    return Attempt(
        number=run.number,
        rung=run.rung,
        kind=failure.get("kind", run.state.value),
        message=failure.get("message") or run.reason or "",
        seconds=(run.ended_at - run.started_at).total_seconds() if run.ended_at else 0.0,
    )


def _measured(run: StoredRun, result: Decoded, tasks: Mapping[str, Task]) -> Measured:
    measurement = result["measurement"]
    ledger = tuple(_tried(entry, tasks) for entry in result["ledger"])
    by_task = {found["task"]: _task(found, ledger, tasks[found["task"]]) for found in result["tasks"]}
    return Measured(
        rung=run.rung,
        score=result["score"],
        validation=result["validation_score"],
        sample_error=sample_error(result["tasks"], tasks),
        metrics=run.metrics,
        tasks=by_task,
        ledger=ledger,
        n_params=measurement["n_params"],
        optimiser_steps=measurement["optimiser_steps"],
        tokens=measurement["tokens"],
        wall_seconds=measurement["wall_seconds"],
        device=measurement["device"],
        host=measurement["host"],
        versions=measurement["versions"],
        ended_at=run.ended_at,
        reused=result.get("origin") is not None,
    )


def _tried(entry: Decoded, tasks: Mapping[str, Task]) -> Tried:
    value = entry["validation"]
    return Tried(
        task=entry["task"],
        learning_rate=entry["learning_rate"],
        replica=entry["replica"],
        validation=None if value is None else tasks[entry["task"]].score(value),
    )


def _task(found: Decoded, ledger: tuple[Tried, ...], task: Task) -> TaskScores:
    scores = tuple(task.score(value) for value in found["values"])
    chosen = [
        tried.validation
        for tried in ledger
        if tried.task == found["task"] and tried.learning_rate == found["learning_rate"] and tried.validation is not None
    ]
    return TaskScores(
        learning_rate=found["learning_rate"],
        edge_of_grid=found["edge_of_grid"],
        scores=scores,
        validation=fmean(chosen or scores),
        sensitivity=found.get("sensitivity"),
    )
