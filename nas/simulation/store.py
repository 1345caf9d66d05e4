"""A study in memory: the driver's side of a store for one simulation, which remembers what a reader of it will ask."""

from dataclasses import dataclass, replace

from nas.metrics import search_metrics
from nas.objectives import Values, objective_values, objectives_of
from nas.ports import Batch, Claim, Clock, History
from nas.run import Result
from nas.study import StudySpec, StudyState, Wish
from nas.trial import Params, Trial, TrialState

STUDY_ID = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A run that was scored. seconds: when, in simulated time; cost: optimiser steps that the study had trained by then.

    score: on test data; validation: as the search sees it; values: the objectives' as the search sees them, in their order.
    kept: whether the trial keeps all constraints.
    """

    number: int
    rung: int
    seconds: float
    cost: int
    score: float
    validation: float
    values: Values
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTrial:
    """A trial as it stands. seconds: when it last changed."""

    number: int
    state: TrialState
    params: Params
    digest: str
    reference: str | None
    twin: int | None
    rung: int | None
    reason: str | None
    seconds: float


class MemoryStore:
    """Implements `nas.ports.DriverStore` for one study and one driver. Results and architectures are not kept."""

    def __init__(self, spec: StudySpec, clock: Clock) -> None:
        self._claim = Claim(study_id=STUDY_ID, driver_id="", fence=1, spec=spec, state=StudyState.QUEUED)
        self._clock, self._objectives = clock, objectives_of(spec)
        self.state: StudyState = self._claim.state
        self.reason: str | None = None
        self.trials: dict[int, SimulatedTrial] = {}
        self.evaluations: list[Evaluation] = []
        self._claimed = False
        self._sequence = self._cost = 0

    def claim(self, driver_id: str, lease_seconds: float) -> Claim | None:
        """The study, once."""
        if self._claimed:
            return None
        self._claimed = True
        return replace(self._claim, driver_id=driver_id)

    def renew(self, claim: Claim, lease_seconds: float) -> Wish:
        """Its user wants it to run."""
        return Wish.RUN

    def release(self, claim: Claim) -> None:
        """Nobody takes it up again: what a driver needs for that is not kept."""

    def history(self, claim: Claim) -> History:
        """It begins with this driver."""
        return History()

    def write(self, claim: Claim, batch: Batch) -> None:
        """Take in what changed, once."""
        if batch.sequence <= self._sequence:
            return
        self._sequence = batch.sequence
        now = self._clock.monotonic()
        for trial in batch.trials:
            self.trials[trial.number] = _standing(trial, now)
            if trial.result is not None:
                self._score(trial, trial.result, now)
        for move in batch.moves:
            self.trials[move.number] = replace(self.trials[move.number], state=move.state, reason=move.reason, seconds=now)
        if batch.study_state is not None:
            self.state, self.reason = batch.study_state, batch.reason

    def _score(self, trial: Trial, result: Result, now: float) -> None:
        assert trial.rung is not None
        self._cost += result.measurement.optimiser_steps
        evaluation = Evaluation(
            number=trial.number,
            rung=trial.rung,
            seconds=now,
            cost=self._cost,
            score=result.score,
            validation=result.validation_score,
            values=objective_values(self._objectives, search_metrics(result), trial.cost),
            kept=trial.state is not TrialState.INFEASIBLE,
        )
        self.evaluations.append(evaluation)


def _standing(trial: Trial, now: float) -> SimulatedTrial:
    return SimulatedTrial(
        number=trial.number,
        state=trial.state,
        params=trial.params,
        digest=trial.architecture.digest,
        reference=trial.reference,
        twin=trial.twin,
        rung=trial.rung,
        reason=trial.reason,
        seconds=now,
    )
