"""A trial: one architecture in a study, and the states it passes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from nas.run import Result
from search_spaces.architecture import Architecture
from search_spaces.primitives import Cost


class TrialState(StrEnum):
    """Where a trial stands. Paused: it has a score at its rung and waits to be promoted or pruned, or to be confirmed."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    PRUNED = "pruned"
    INFEASIBLE = "infeasible"
    DUPLICATE = "duplicate"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRIAL_TRANSITIONS: dict[TrialState, frozenset[TrialState]] = {
    TrialState.QUEUED: frozenset({TrialState.RUNNING, TrialState.COMPLETED, TrialState.CANCELLED}),
    TrialState.RUNNING: frozenset(
        {
            TrialState.QUEUED,
            TrialState.PAUSED,
            TrialState.COMPLETED,
            TrialState.INFEASIBLE,
            TrialState.FAILED,
            TrialState.CANCELLED,
        }
    ),
    TrialState.PAUSED: frozenset({TrialState.QUEUED, TrialState.COMPLETED, TrialState.PRUNED, TrialState.CANCELLED}),
    TrialState.COMPLETED: frozenset(),
    TrialState.PRUNED: frozenset(),
    TrialState.INFEASIBLE: frozenset(),
    TrialState.DUPLICATE: frozenset(),
    TrialState.FAILED: frozenset(),
    TrialState.CANCELLED: frozenset(),
}

FINAL_TRIAL_STATES = frozenset(state for state, following in TRIAL_TRANSITIONS.items() if not following)

Params = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What fresh seeds say of a trial: means over them alone. The interval covers seeds, or with one seed the test sample."""

    score: float
    score_low: float
    score_high: float
    interval: Literal["replicas", "test_sample"]
    n_seeds: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One row of a study.

    reference: the zoo entry it is, or None for the search's own. params: gene values (empty for a reference).
    rung and result: the highest rung scored so far; a trial that is confirmed has the number of rungs there, and `confirmed`
    stands for the result's own score, which is one seed's. twin: the trial that already has this architecture.
    """

    number: int
    state: TrialState
    params: Params
    architecture: Architecture
    summary: str
    cost: Cost
    reference: str | None = None
    rung: int | None = None
    result: Result | None = None
    confirmed: Confirmed | None = None
    pareto: bool = False
    twin: int | None = None
    reason: str | None = None

    @property
    def score(self) -> float | None:
        """The score at the highest rung reached."""
        scored = self.confirmed or self.result
        return scored.score if scored else None
