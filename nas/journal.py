"""What happens to one study, written down: a change of the study, of a trial or of a run, and the event that tells of it.

Everything gathers in a batch until the driver takes it; a change that its transition table does not know is refused.
"""

from dataclasses import replace

from nas.brackets import first_rung
from nas.changes import Changes
from nas.live import Live
from nas.pareto import Flags
from nas.ports import Batch, Claim, Kept, RunRecord
from nas.run import Finished, Run, RunKey, RunState
from nas.study import STUDY_TRANSITIONS, StudyState, Wish
from nas.trial import FINAL_TRIAL_STATES, TRIAL_TRANSITIONS, Trial, TrialState


class Journal:
    """The study's state, how much of its budget is measured, and what is decided but not yet written."""

    def __init__(self, claim: Claim, *, last_sequence: int) -> None:
        self.study_id, self.state = claim.study_id, claim.state
        self.n_measured = 0
        self._spec = claim.spec
        self._changes = Changes(sequence=last_sequence + 1)

    @property
    def next_sequence(self) -> int:
        """The sequence of the batch that would be taken next."""
        return self._changes.sequence

    @property
    def has_new_state(self) -> bool:
        """Whether the study's state has changed and that is not written yet."""
        return self._changes.state is not None

    def take_batch(self) -> Batch | None:
        """What was decided since the last call, for the driver to write; None when that is nothing."""
        batch = self._changes.batch()
        if batch is not None:
            self._changes = Changes(sequence=batch.sequence + 1)
        return batch

    def become(self, state: StudyState, reason: str | None = None, wish: Wish | None = None) -> None:
        """The study's new state."""
        if state not in STUDY_TRANSITIONS[self.state]:
            raise ValueError(f"study {self.study_id} is {self.state} and cannot become {state}")
        self.state = state
        self._changes.state, self._changes.reason, self._changes.wish = state, reason, wish
        self._changes.event("study.state", state=state, reason=reason, **self._progress())

    # trials

    def proposed(self, trial: Trial) -> None:
        """A new row."""
        self._changes.trial(trial)
        self._changes.event(
            "trial.proposed",
            number=trial.number,
            state=trial.state,
            reference=trial.reference,
            summary=trial.summary,
            params=trial.cost.params,
            twin=trial.twin,
            reason=trial.reason,
        )

    def scored(self, trial: Trial, *, rung: int, score: float) -> None:
        """A row with a new result."""
        self._changes.trial(trial)
        self._tell_watchers(trial.number, trial.state, rung=rung, score=score, reason=trial.reason)

    def move(self, live: Live, state: TrialState, reason: str | None = None) -> None:
        """A queued or running trial's new state."""
        if state not in TRIAL_TRANSITIONS[live.trial.state]:
            raise ValueError(f"trial {live.trial.number} is {live.trial.state} and cannot become {state}")
        live.trial = replace(live.trial, state=state)
        self._changes.move(live.trial.number, state, reason)
        if state in FINAL_TRIAL_STATES and (live.folders or live.attempt):
            self.keep(live.trial.number, live.folders, ended=True)
        # that it runs is told by the run's own event
        if state is not TrialState.RUNNING:
            self._tell_watchers(live.trial.number, state, rung=live.rung, reason=reason)

    def end(self, number: int, state: TrialState, folders: tuple[str, ...], *, rung: int, reason: str | None = None) -> None:
        """A trial that waited at a rung ends."""
        self._changes.move(number, state, reason)
        self._tell_watchers(number, state, rung=rung, reason=reason)
        self.keep(number, folders, ended=True)

    def flags(self, flags: Flags) -> None:
        """Pareto flags that changed."""
        self._changes.flags(flags)

    def keep(self, number: int, folders: tuple[str, ...], *, ended: bool) -> None:
        """What a trial still needs on disk."""
        first = first_rung(self._spec, number)
        self._changes.keep(Kept(study_id=self.study_id, number=number, first_rung=first, folders=folders, ended=ended))

    # runs

    def run_started(self, run: Run) -> None:
        """A run is on its way to a worker."""
        self._changes.run(RunRecord(key=run.key, state=RunState.RUNNING))
        self._changes.event("run.started", number=run.number, rung=run.rung, attempt=run.attempt)

    def run_ended(self, finished: Finished, reason: str | None = None) -> None:
        """A run came back, with a result or with the reason why it has none."""
        state = RunState.SUCCEEDED if finished.result else RunState.FAILED
        self._changes.run(RunRecord(key=finished.key, state=state, finished=finished, reason=reason))
        self._tell_run_ended(finished.key, state, score=finished.result.score if finished.result else None, reason=reason)

    def run_lost(self, key: RunKey, reason: str) -> None:
        """A run will never come back."""
        self._changes.run(RunRecord(key=key, state=RunState.LOST, reason=reason))
        self._tell_run_ended(key, RunState.LOST, reason=reason)

    # events

    def _tell_run_ended(self, key: RunKey, state: RunState, *, score: float | None = None, reason: str | None = None) -> None:
        where = {"number": key.number, "rung": key.rung, "attempt": key.attempt}
        self._changes.event("run.ended", **where, state=state, score=score, reason=reason)

    def _tell_watchers(
        self, number: int, state: TrialState, *, rung: int, score: float | None = None, reason: str | None = None
    ) -> None:
        n_rungs = len(self._spec.protocol.rungs)
        # fresh seeds have rungs of their own, and all of them are one rung of the trial's
        data = {"number": number, "state": state, "rung": min(rung, n_rungs), "score": score, "reason": reason}
        self._changes.event("trial.state", **data, **self._progress())

    def _progress(self) -> dict[str, int]:
        """How many of the budget's trials have a first score, or failed."""
        return {"measured": self.n_measured, "budget": self._spec.budget.trials}
