"""A run: one evaluation of a trial at a rung. What goes to a worker, and what comes back, as data."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from nas.protocol import Protocol
from search_spaces.architecture import Architecture
from search_spaces.document import Document


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.LOST}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.LOST: frozenset(),
}


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """Names one run. A lost or crashed run is repeated with `attempt + 1`."""

    study_id: str
    number: int
    rung: int
    attempt: int


class Run(Document):
    """Everything a worker needs to evaluate a trial at a rung, alone and without a database.

    `data_seed` is the same for all trials of a study (everybody sees the same data), `seed` is the trial's own.
    `resume` names the checkpoint folder of the rung below, relative to the workspace; None trains from scratch.
    A run above the last rung confirms: from scratch, with a seed and training data of its own, for the last rung's steps, at
    `rates` alone: the learning rates that the last rung chose, by task.
    `reuse`: another study's result of the same run will do.
    """

    study_id: str
    number: Annotated[int, Field(ge=0)]
    rung: Annotated[int, Field(ge=0)]
    attempt: Annotated[int, Field(ge=1)] = 1
    architecture: Architecture
    protocol: Protocol
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    data_seed: Annotated[int, Field(ge=0, lt=2**63)]
    resume: str | None = None
    rates: dict[str, float] = Field(default_factory=dict)
    max_seconds: Annotated[float, Field(gt=0)] = 3600.0
    reuse: bool = False

    @property
    def key(self) -> RunKey:
        """The run's name."""
        return RunKey(self.study_id, self.number, self.rung, self.attempt)

    @property
    def folder(self) -> str:
        """Where this run keeps its checkpoint, relative to the workspace. Each attempt has its own."""
        return f"{trial_folder(self.study_id, self.number)}/rung-{self.rung}/attempt-{self.attempt}"


def trial_folder(study_id: str, number: int) -> str:
    """Where the folders of a trial's runs are, relative to the workspace."""
    return f"studies/{study_id}/trials/{number}"


FailureKind = Literal["oom", "nan", "timeout", "crash", "invalid"]


class Failure(Document):
    """Why a run has no score, and what a person can do about it."""

    kind: FailureKind
    message: Annotated[str, Field(max_length=4000)]
    hint: Annotated[str, Field(max_length=1000)] = ""


MAX_ATTEMPTS: dict[FailureKind, int] = {"oom": 1, "nan": 1, "timeout": 2, "crash": 3, "invalid": 1}
"""How often a run is tried when it fails so. Another machine may survive, a quieter one may be quick enough; numbers that are
not finite would only come again.
"""

MAX_LOSSES = 10
"""So often may a run be lost with its driver: one that takes its driver down each time must end too."""


class CurvePoint(Document):
    """The training loss (nats per target) averaged over the steps since the point before."""

    step: int
    loss: float


class LedgerEntry(Document):
    """One training: a task at one learning rate with one replica. A diverged one has no values.

    exploded: it was stopped while its loss was finite, where its curve ends (`nas.protocol.Explosion`).
    """

    task: str
    learning_rate: float
    replica: int
    validation: float | None
    test: float | None
    diverged: bool = False
    curve: tuple[CurvePoint, ...] = ()
    exploded: bool = False


class TaskResult(Document):
    """One task at the learning rate that validation chose; `values` are test metrics, one per replica.

    metrics: every metric of the task on test data, the mean over replicas; validation: the same on validation data, where there
    is such. sensitivity: how far the validation score moves over the grid of learning rates; None where only one was trained.
    """

    task: str
    metric: str
    learning_rate: float
    edge_of_grid: bool
    values: tuple[float, ...]
    standard_error: float
    score: float
    data_digest: str
    metrics: dict[str, float] = Field(default_factory=dict)
    validation: dict[str, float] = Field(default_factory=dict)
    sensitivity: float | None = None


class Artifact(Document):
    """A file of the run's folder that belongs to the result."""

    path: str
    sha256: str
    n_bytes: int


class Measurement(Document):
    """What the evaluation cost, as measured. What nobody measured is None.

    train_seconds: all this run's trainings together, batches included and evaluation not; train_tokens_per_second is over them.
    data_seconds: how much of that went into making batches. peak_memory_bytes: since the run began, evaluation included; of the
    device's tensors on a GPU, else of the whole process, libraries included. joules_per_token: of training, by the
    whole device's counter. prefill_seconds and decode_seconds_per_token: of the first task's model, as `latency` asks.
    """

    n_params: int
    optimiser_steps: int
    tokens: int
    wall_seconds: float
    train_tokens_per_second: float
    peak_memory_bytes: int
    device: str
    host: str
    versions: dict[str, str]
    train_seconds: float | None = None
    data_seconds: float | None = None
    joules_per_token: float | None = None
    prefill_seconds: float | None = None
    decode_seconds_per_token: float | None = None


class Origin(Document):
    """The trial of another study that measured a result, and the seeds of its run."""

    study_id: str
    number: int
    seed: int
    data_seed: int


class Result(Document):
    """A scored run. `interval` says what the 95 % interval covers: seeds and the draw of the test set, or only the latter.

    `validation_score` is the same mean on validation data. It is what the search sees; `score` is what a reader is told.
    `notes` are sentences about what went otherwise than planned, such as a checkpoint that had to be trained again.
    `origin`: None for what the study itself has measured.
    """

    score: float
    score_low: float
    score_high: float
    interval: Literal["replicas", "test_sample"]
    validation_score: float
    tasks: tuple[TaskResult, ...]
    ledger: tuple[LedgerEntry, ...]
    measurement: Measurement
    folder: str
    artifacts: tuple[Artifact, ...] = ()
    notes: tuple[str, ...] = ()
    origin: Origin | None = None


class Finished(Document):
    """What an executor hands back for a run it was given: exactly one of `result` and `failure`."""

    study_id: str
    number: int
    rung: int
    attempt: int
    result: Result | None = None
    failure: Failure | None = None

    @property
    def key(self) -> RunKey:
        """The run's name."""
        return RunKey(self.study_id, self.number, self.rung, self.attempt)
