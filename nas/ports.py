"""What the driver needs of the outside world: a store, an executor, a clock. Nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nas.run import Finished, Run, RunKey, RunState
from nas.study import StudySpec, StudyState, Wish
from nas.trial import Params, Trial, TrialState
from search_spaces.primitives import Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to drive a study until the lease ends, in database time. Every write carries the fence."""

    study_id: str
    driver_id: str
    fence: int
    spec: StudySpec
    state: StudyState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run's row as the driver writes it: started (RUNNING), or ended with what came of it."""

    key: RunKey
    state: RunState
    finished: Finished | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A trial whose state changed and nothing else did (`reason` replaces the row's)."""

    number: int
    state: TrialState
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a study, as watchers see it."""

    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a trial still needs on disk. folders: of its scored runs, from `first_rung` on; their exported files stay for good.

    Until the trial has `ended` the last of them stays whole, because the next rung goes on from it.
    """

    study_id: str
    number: int
    folders: tuple[str, ...]
    ended: bool
    first_rung: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All that one step of the driver changes, in one transaction, applied once however often it is written.

    sequence: rises by one from batch to batch of a claim's study; a batch whose sequence the study already has is skipped.
    trials: whole rows, inserted or replaced. moves: come after them, in order: a trial passes through every state listed.
    pareto: flags that changed, applied last. wish: replaces the user's where that is still RUN, so that a study which its
    driver pauses stays paused until somebody resumes it. kept: for the executor, once the batch is written; no row holds it.
    """

    sequence: int
    trials: tuple[Trial, ...] = ()
    moves: tuple[Move, ...] = ()
    pareto: tuple[tuple[int, bool], ...] = ()
    runs: tuple[RunRecord, ...] = ()
    study_state: StudyState | None = None
    reason: str | None = None
    wish: Wish | None = None
    events: tuple[Event, ...] = ()
    kept: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a driver must know of a trial to go on with it: no architecture and no result, so that 100,000 fit in memory.

    digest: the architecture's. reported, searched, folders: of its results, one per rung it has passed, from that where its
    bracket starts (`nas.brackets`): what the study asks for (`nas.objectives.asked_of`), on test data and for the search.
    After the last rung come those of fresh seeds; where a study has such, rates: what the last rung chose for each task, and
    finals: everything that was measured on test data at the last rung, and then with each fresh seed; errors: of those
    seeds' scores, the standard error from the draw of the test sample.
    attempts: the highest attempt so far at the rung after those; failures: how many of them failed (lost ones did not).
    """

    number: int
    state: TrialState
    params: Params
    digest: str
    cost: Cost
    reference: str | None = None
    twin: int | None = None
    reported: tuple[Mapping[str, float], ...] = ()
    searched: tuple[Mapping[str, float], ...] = ()
    folders: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    finals: tuple[Mapping[str, float], ...] = ()
    errors: tuple[float, ...] = ()
    attempts: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a driver reads once, when it claims: trials in order of number, runs still marked running, the last batch."""

    trials: tuple[Standing, ...] = ()
    running: tuple[RunKey, ...] = ()
    last_sequence: int = 0


class DriverStore(Protocol):
    """The writer's side of the store. Every method may raise `StoreUnavailable`; those with a claim, `StaleFence`."""

    def claim(self, driver_id: str, lease_seconds: float) -> Claim | None:
        """Take one study that is not final and has no live lease, oldest first; None when there is none."""

    def renew(self, claim: Claim, lease_seconds: float) -> Wish:
        """Extend the lease; returns what the user wants now."""

    def release(self, claim: Claim) -> None:
        """Give the study back, for any driver to take."""

    def history(self, claim: Claim) -> History:
        """Everything needed to go on where the last driver stopped."""

    def write(self, claim: Claim, batch: Batch) -> None:
        """Apply the batch in one transaction, or raise and change nothing."""


class Executor(Protocol):
    """Runs runs somewhere. Never raises for what a run does: the failure comes back as data."""

    def capacity(self) -> int:
        """How many runs can be in flight at once, now."""

    def submit(self, run: Run) -> None:
        """Start a run. The caller keeps runs in flight at or below `capacity()`."""

    def poll(self, timeout_seconds: float) -> Sequence[Finished]:
        """Runs that ended since the last call; waits up to the timeout for the first."""

    def cancel(self, key: RunKey) -> None:
        """Stop a run that is in flight; it will not be returned by `poll`. Unknown keys are ignored."""

    def forget(self, kept: Kept) -> None:
        """Free what a trial has on disk beyond what is kept. Returns at once; what cannot be freed stays."""

    def close(self) -> None:
        """Stop everything that is in flight and give the resources back."""


class Clock(Protocol):
    """Time that never goes backwards."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
