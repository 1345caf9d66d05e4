"""What reading the store gives back: frozen values, the same for the API, the CLI's server side and the tests."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

from nas.keys import Scope
from nas.run import Failure, Result, RunState
from nas.study import StudySpec, StudyState, Wish
from nas.trial import Params, TrialState
from search_spaces.architecture import Architecture
from search_spaces.primitives import Cost

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some rows in order. `next_cursor` continues after the last one; None when there are no more."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Companion:
    """A study beside another one: the baseline of it, or what it is the baseline of."""

    id: str
    name: str
    sampler: str
    state: StudyState
    measured: int
    budget: int
    last_event: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """A study in a list: where it stands, without its spec.

    counts: trials per state (states without trials are missing). measured: the search's own trials that have a score or
    failed; progress: their share of the budget, 1 once the study is final. best_score: of the leaderboard's first row.
    driver_alive: a driver holds a live lease. accompanies: the study that this one is a baseline of; baselines: its own.
    """

    id: str
    owner: str
    name: str
    state: StudyState
    wish: Wish
    reason: str | None
    digest: str
    counts: dict[TrialState, int]
    measured: int
    budget: int
    progress: float
    best_score: float | None
    best_number: int | None
    driver_alive: bool
    last_event: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    accompanies: Companion | None = None
    baselines: tuple[Companion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyView:
    """One study with all that was submitted."""

    row: StudyRow
    spec: StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial in a list. Score, interval, replicas and metrics are those of the highest rung scored so far.

    metrics: all that was measured, by the names that objectives and constraints use; exact costs are in `cost`.
    """

    number: int
    state: TrialState
    reference: str | None
    summary: str
    architecture_digest: str
    cost: Cost
    rung: int | None
    score: float | None
    score_low: float | None
    score_high: float | None
    interval: Literal["replicas", "test_sample"] | None
    n_replicas: int | None
    metrics: dict[str, float]
    pareto: bool
    twin: int | None
    reason: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardRow:
    """A scored trial and its place in this listing, counted from 1.

    group: of leaders that the data cannot tell apart, from 1; None for who is not among the first at the highest rung.
    """

    rank: int
    trial: TrialRow
    group: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One attempt at a rung; `result` has its whole ledger."""

    rung: int
    attempt: int
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    reason: str | None = None
    result: Result | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView:
    """One trial with everything known about it; runs in order of rung and attempt."""

    row: TrialRow
    params: Params
    architecture: Architecture
    runs: tuple[RunView, ...]

    @property
    def result(self) -> Result | None:
        """The result at the highest rung scored so far."""
        scored = [run.result for run in self.runs if run.result is not None and run.rung == self.row.rung]
        return scored[-1] if scored else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RungView:
    """What one rung gave: everything that was measured, on test data and as the search saw it, the score among it."""

    rung: int
    reported: dict[str, float]
    searched: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialHistory:
    """One trial as other tools want it: gene values, and what each rung gave, in order; fresh seeds come after the last."""

    row: TrialRow
    params: Params
    rungs: tuple[RungView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to a study. `seq` rises by one within the study and is the SSE id."""

    seq: int
    kind: str
    data: dict[str, object]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """An API key without its secret."""

    key_id: str
    owner: str
    scopes: frozenset[Scope]
    label: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How much the whole store holds, for `/metrics`. States with nothing in them are missing."""

    studies: dict[StudyState, int] = field(default_factory=dict)
    trials: dict[TrialState, int] = field(default_factory=dict)
    live_drivers: int = 0
