"""One study as its driver knows it: what to propose, run and promote next, and what each result means.

No I/O: what it decides gathers in a batch, which the driver writes before it acts on any of it. References run first and go
through all rungs; a repeated run goes before a promoted one, a promoted one before a new trial.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nas.changes import Changes
from nas.confirmation import Finalist, Finalists
from nas.halving import Halving
from nas.metrics import reported_metrics, search_metrics
from nas.objectives import Values, asked_of, objectives_of, ranked_values
from nas.pareto import Flags, ParetoFront
from nas.ports import Batch, Claim, Kept, RunRecord, Standing
from nas.proposals import Proposals
from nas.run import MAX_ATTEMPTS, MAX_LOSSES, Failure, Finished, Result, Run, RunKey, RunState
from nas.seeds import derive, fresh_seed
from nas.study import FINAL_STUDY_STATES, STUDY_TRANSITIONS, StudySpec, StudyState, Wish
from nas.trial import FINAL_TRIAL_STATES, TRIAL_TRANSITIONS, Trial, TrialState
from search_spaces.primitives import Cost

MAX_REASON = 500
ASK_AHEAD = 2
"""Proposals kept ready, so that a freed worker waits for one write and not for the sampler."""


@dataclass(slots=True, kw_only=True)
class Live:
    """A trial that is queued or running. `attempt` and `failures` are counted at `rung`; `folders` are of the rungs below."""

    trial: Trial
    rung: int = 0
    attempt: int = 0
    failures: int = 0
    folders: tuple[str, ...] = ()


class Campaign:
    """The state of one claimed study: replay its history, then propose, start and accept until it is final."""

    def __init__(self, claim: Claim, *, last_sequence: int, max_params: int) -> None:
        spec = claim.spec
        self.study_id, self.spec, self.state = claim.study_id, spec, claim.state
        self._changes = Changes(sequence=last_sequence + 1)
        self._proposals = Proposals(spec, max_params=max_params)
        self._objectives, self._asked = objectives_of(spec), asked_of(spec)
        self._front = ParetoFront()
        self._halving = _halving_of(spec)
        self._finalists = Finalists(spec)
        self._data_seed = derive(spec.seed, "data")
        self._live: dict[int, Live] = {}
        self._ready: deque[Live] = deque()
        self._fresh: deque[Live] = deque()
        self._in_flight: dict[RunKey, Live] = {}
        self._folders: dict[int, tuple[str, ...]] = {}
        self._n_measured = 0
        self._n_failures = 0

    # what the driver sees

    @property
    def final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL_STUDY_STATES

    @property
    def paused(self) -> bool:
        """Whether it waits for its user."""
        return self.state is StudyState.PAUSED

    @property
    def next_sequence(self) -> int:
        """The sequence of the batch that would be taken next."""
        return self._changes.sequence

    @property
    def in_flight(self) -> Sequence[RunKey]:
        """The runs that have started and not ended."""
        return tuple(self._in_flight)

    @property
    def n_in_flight(self) -> int:
        """How many those are."""
        return len(self._in_flight)

    @property
    def kept(self) -> tuple[Kept, ...]:
        """What its trials need on disk if it ends as it stands."""
        folders = self._folders | {number: live.folders for number, live in self._live.items()}
        return tuple(Kept(study_id=self.study_id, number=n, folders=each, ended=True) for n, each in folders.items())

    @property
    def wants_proposal(self) -> bool:
        """Whether few proposals are left in the queue, and more may be made."""
        return self.state is StudyState.RUNNING and len(self._fresh) < ASK_AHEAD and self._proposals.more

    def take_batch(self) -> Batch | None:
        """What was decided since the last call, for the driver to write; None when that is nothing."""
        batch = self._changes.batch()
        if batch is not None:
            self._changes = Changes(sequence=batch.sequence + 1)
        return batch

    # going on where the last driver stopped

    def replay(self, standing: Standing) -> None:
        """Take in a stored trial. In order of number, before everything else."""
        self._proposals.replay(standing)
        waits = standing.state in (TrialState.PAUSED, TrialState.PRUNED)
        for rung, (reported, searched) in enumerate(zip(standing.reported, standing.searched, strict=True)):
            last = rung == len(standing.reported) - 1
            if last and standing.state is TrialState.INFEASIBLE:
                self._front.remove(standing.number)
                break
            if rung > self.spec.protocol.last_rung:
                break
            self._rank(standing.number, rung, searched, standing.cost, promoted=not (last and waits))
            self._front.add(standing.number, rung, self._ranked(reported, standing.cost))
        self._replay_final(standing)
        measured = bool(standing.reported) or standing.state is TrialState.FAILED
        self._n_measured += measured and standing.reference is None
        if standing.state is TrialState.PAUSED:
            self._folders[standing.number] = standing.folders
        elif standing.state in (TrialState.QUEUED, TrialState.RUNNING):
            self._replay_live(standing)

    def _replay_final(self, standing: Standing) -> None:
        """A trial that has reached the last rung of a study with confirmation, and what fresh seeds said of it."""
        if not standing.finals:
            return
        finalist = Finalist(
            is_reference=standing.reference is not None,
            values=self._ranked(standing.searched[self.spec.protocol.last_rung], standing.cost),
            rates=standing.rates,
            reported=list(standing.finals),
        )
        if finalist.scores:
            self._flag_confirmed(standing.number, finalist, standing.cost)
        if standing.state not in (TrialState.FAILED, TrialState.CANCELLED, TrialState.INFEASIBLE):
            self._finalists.enter(standing.number, finalist)

    def _replay_live(self, standing: Standing) -> None:
        live = self._live[standing.number] = Live(
            trial=replace(self._proposals.rebuild(standing.number), state=standing.state),
            rung=len(standing.reported),
            attempt=standing.attempts,
            failures=standing.failures,
            folders=standing.folders,
        )
        (self._ready if standing.attempts or standing.reported else self._fresh).append(live)

    def resume(self, running: Sequence[RunKey]) -> None:
        """The runs an earlier driver left behind are lost, which is no failure of theirs unless it happens again and again."""
        for key in running:
            live = self._live[key.number]
            if live.attempt - live.failures < MAX_LOSSES:
                self._lose(key, "its driver went away")
                self._move(live, TrialState.QUEUED)
                continue
            self._ready.remove(live)
            self._fail(live, _finished(key, _FATAL), _FATAL)

    # what its user wants

    def obey(self, wish: Wish) -> None:
        """Make the study what its user wants, unless it has just changed by itself and that is not written yet."""
        if self.final or self._changes.state is not None:
            return
        if wish is Wish.RUN and self.state in (StudyState.QUEUED, StudyState.PAUSED):
            self._n_failures = 0
            self._become(StudyState.RUNNING)
        elif wish is Wish.PAUSE and self.state in (StudyState.QUEUED, StudyState.RUNNING):
            self._become(StudyState.PAUSED, "paused by its user")
        elif wish is Wish.STOP and not self._in_flight:
            self._end(StudyState.STOPPED, "stopped by its user")
        elif wish is Wish.STOP and self.state is not StudyState.STOPPING:
            self._become(StudyState.STOPPING, "stopped by its user; runs in flight end first")
            self._cancel_queued("the study was stopped")

    # new trials

    def propose(self) -> None:
        """Make one proposal: it joins the queue, or is stored as infeasible or a duplicate."""
        trial = self._proposals.propose()
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
        if trial.state is TrialState.QUEUED:
            live = self._live[trial.number] = Live(trial=trial)
            self._fresh.append(live)
        self.settle()

    # runs

    def next_run(self) -> Run | None:
        """Start the run that comes next; None when none may start now."""
        most = self.spec.budget.max_parallel
        if self.state is not StudyState.RUNNING or (most is not None and self.n_in_flight >= most):
            return None
        if not self._ready:
            self._promote()
        queue = self._ready or self._fresh
        return self._start(queue.popleft()) if queue else None

    def _promote(self, *, closing: bool = False) -> bool:
        chosen = self._halving.promote(closing=closing) if self._halving else None
        if chosen is None:
            return False
        self._take_up(*chosen)
        return True

    def _take_up(self, number: int, rung: int) -> None:
        """A trial that waits goes on to a rung."""
        trial = replace(self._proposals.rebuild(number), state=TrialState.PAUSED)
        live = self._live[number] = Live(trial=trial, rung=rung, folders=self._folders.pop(number))
        self._move(live, TrialState.QUEUED)
        self._ready.append(live)

    def _confirm(self) -> bool:
        """Start the next round of fresh seeds; False when there is none, or none any more."""
        chosen = self._finalists.next()
        for number in chosen:
            self._take_up(number, len(self._folders[number]))
        return bool(chosen)

    def _start(self, live: Live) -> Run:
        live.attempt += 1
        number, fresh = live.trial.number, live.rung - len(self.spec.protocol.rungs)
        seed = derive(self.spec.seed, number) if fresh < 0 else fresh_seed(self.spec.seed, number, fresh)
        run = Run(
            study_id=self.study_id,
            number=number,
            rung=live.rung,
            attempt=live.attempt,
            architecture=live.trial.architecture,
            protocol=self.spec.protocol,
            seed=seed,
            data_seed=self._data_seed,
            resume=live.folders[-1] if live.folders and fresh < 0 else None,
            rates=dict(self._finalists[number].rates) if fresh >= 0 else {},
            max_seconds=self.spec.budget.max_run_seconds,
        )
        self._in_flight[run.key] = live
        self._changes.run(RunRecord(key=run.key, state=RunState.RUNNING))
        self._changes.event("run.started", number=run.number, rung=run.rung, attempt=run.attempt)
        self._move(live, TrialState.RUNNING)
        return run

    def accept(self, finished: Finished) -> None:
        """Take in what came of a run; one that is not in flight here (cancelled, or known already) is ignored."""
        live = self._in_flight.pop(finished.key, None)
        if live is None:
            return
        fresh = live.rung > self.spec.protocol.last_rung
        finished = finished if fresh else _with_all(finished, self._asked)
        if finished.result is not None and fresh:
            self._accept_fresh(live, finished, finished.result)
        elif finished.result is not None:
            self._accept_result(live, finished, finished.result)
        else:
            self._accept_failure(live, finished, finished.failure or _NOTHING)
        self.settle()

    def _accept_result(self, live: Live, finished: Finished, result: Result) -> None:
        number, rung = live.trial.number, live.rung
        self._n_failures = 0
        self._measure(live)
        self._end_run(finished, RunState.SUCCEEDED, score=result.score)
        broken = self._judge(live, result)
        state = TrialState.INFEASIBLE if broken else self._state_after(number, rung)
        row = replace(live.trial, state=state, rung=rung, result=result, pareto=number in self._front, reason=broken)
        self._changes.trial(row)
        self._tell_watchers(number, state, rung=rung, score=result.score, reason=broken)
        self._go_on(live, state, result)

    def _accept_fresh(self, live: Live, finished: Finished, result: Result) -> None:
        """A run with a fresh seed: the row says what all fresh seeds say."""
        number, n_rungs, finalist = live.trial.number, len(self.spec.protocol.rungs), self._finalists[live.trial.number]
        self._n_failures = 0
        self._end_run(finished, RunState.SUCCEEDED, score=result.score)
        finalist.reported.append(reported_metrics(result))
        confirmed = finalist.confirmed(result if live.rung == n_rungs else None)
        self._changes.flags(self._flag_confirmed(number, finalist, live.trial.cost))
        more = self.spec.confirmation is not None and live.rung + 1 < n_rungs + self.spec.confirmation.first
        state = TrialState.QUEUED if more else TrialState.PAUSED
        on_front = number in self._front
        self._changes.trial(replace(live.trial, state=state, rung=n_rungs, result=result, confirmed=confirmed, pareto=on_front))
        self._tell_watchers(number, state, rung=n_rungs, score=confirmed.score)
        self._go_on(live, state, result)

    def _flag_confirmed(self, number: int, finalist: Finalist, cost: Cost) -> Flags:
        metrics = finalist.mean_metrics()
        return self._front.add(number, len(self.spec.protocol.rungs), self._ranked(metrics, cost))

    def _go_on(self, live: Live, state: TrialState, result: Result) -> None:
        """To the next rung or seed, to wait, or to the end."""
        number, rung, folders = live.trial.number, live.rung, (*live.folders, result.folder)
        self._keep(number, folders, ended=state in FINAL_TRIAL_STATES)
        if state is TrialState.QUEUED:
            live.trial = replace(live.trial, state=state)
            live.rung, live.attempt, live.failures, live.folders = rung + 1, 0, 0, folders
            self._ready.append(live)
            return
        del self._live[number]
        if state is TrialState.PAUSED:
            self._folders[number] = folders

    def _judge(self, live: Live, result: Result) -> str | None:
        """What a result means for the search and the front; the constraints that it breaks, if any."""
        number, cost, searched = live.trial.number, live.trial.cost, search_metrics(result)
        broken = self._proposals.broken(searched)
        if broken:
            self._proposals.reject(number, searched)
            self._changes.flags(self._front.remove(number))
            return broken[:MAX_REASON]
        self._rank(number, live.rung, searched, cost)
        self._proposals.tell(number, searched, cost)
        if self.spec.confirmation and live.rung == self.spec.protocol.last_rung:
            rates = {task.task: task.learning_rate for task in result.tasks}
            is_reference, values = self._proposals.is_reference(number), self._ranked(searched, cost)
            reported: list[Mapping[str, float]] = [reported_metrics(result)]
            self._finalists.enter(number, Finalist(is_reference=is_reference, values=values, rates=rates, reported=reported))
        self._changes.flags(self._front.add(number, live.rung, self._ranked(reported_metrics(result), cost)))
        return None

    def _state_after(self, number: int, rung: int) -> TrialState:
        """A reference goes through all rungs, and so does everybody in a study without halving; then some are confirmed."""
        if rung == self.spec.protocol.last_rung:
            return TrialState.PAUSED if self.spec.confirmation else TrialState.COMPLETED
        return TrialState.PAUSED if self._halved(number) else TrialState.QUEUED

    def _accept_failure(self, live: Live, finished: Finished, failure: Failure) -> None:
        live.failures += 1
        if live.failures < MAX_ATTEMPTS[failure.kind] and self.state is not StudyState.STOPPING:
            self._end_run(finished, RunState.FAILED, reason=_reason(failure))
            self._move(live, TrialState.QUEUED, f"attempt {live.attempt} failed ({failure.kind}), another follows")
            self._ready.append(live)
            return
        self._fail(live, finished, failure)

    def _fail(self, live: Live, finished: Finished, failure: Failure) -> None:
        """The trial's last run has failed; too many trials in a row that fail pause the study."""
        reason = _reason(failure)
        self._end_run(finished, RunState.FAILED, reason=reason)
        self._measure(live)
        self._proposals.fail(live.trial.number)
        self._move(live, TrialState.FAILED, reason)
        del self._live[live.trial.number]
        self._finalists.leave(live.trial.number)
        self._n_failures += 1
        if self._n_failures >= self.spec.budget.max_consecutive_failures and self.state is StudyState.RUNNING:
            text = f"{self._n_failures} trials failed in a row, the last with {reason}; mend the cause and resume"
            self._become(StudyState.PAUSED, text[:MAX_REASON], wish=Wish.PAUSE)

    def _measure(self, live: Live) -> None:
        self._n_measured += live.rung == 0 and live.trial.reference is None

    def _ranked(self, measured: Mapping[str, float], cost: Cost) -> Values:
        return ranked_values(self._objectives, measured, cost)

    def _rank(self, number: int, rung: int, searched: Mapping[str, float], cost: Cost, *, promoted: bool = False) -> None:
        """For promotion, which like the sampler never sees test data: the reported scores are no product of the search."""
        if self._halving and self._halved(number) and rung < self.spec.protocol.last_rung:
            self._halving.record(number, rung, self._ranked(searched, cost), promoted=promoted)

    def _halved(self, number: int) -> bool:
        return self._halving is not None and not self._proposals.is_reference(number)

    # the end

    def settle(self) -> None:
        """End the study when nothing is left to do."""
        if self.state is StudyState.STOPPING and not self._in_flight:
            self._end(StudyState.STOPPED, "stopped by its user")
        elif self.state is StudyState.RUNNING and not self._live and not self._proposals.more and not self._goes_on():
            nothing = self._proposals.n_trials == 0
            self._end(StudyState.FAILED if nothing else StudyState.COMPLETED, self._proposals.exhausted)

    def _goes_on(self) -> bool:
        """Whether a rung that is too small still sends its best, or leaders are confirmed."""
        return self._promote(closing=True) or self._confirm()

    def _end(self, state: StudyState, reason: str | None) -> None:
        self._cancel_queued(f"the study is {state}")
        for left in self._halving.left() if self._halving else ():
            self._changes.move(left.number, TrialState.PRUNED, left.reason)
            self._tell_watchers(left.number, TrialState.PRUNED, rung=left.rung, reason=left.reason)
            self._keep(left.number, self._folders.pop(left.number), ended=True)
        for number in self._finalists.numbers:
            self._complete(number)
        self._become(state, reason)

    def _complete(self, number: int) -> None:
        """A trial that waited at the last rung, or for another fresh seed, has all that it will get."""
        folders = self._folders.pop(number, None)
        if folders is None:
            return
        self._changes.move(number, TrialState.COMPLETED, None)
        self._tell_watchers(number, TrialState.COMPLETED, rung=min(len(folders) - 1, len(self.spec.protocol.rungs)))
        self._keep(number, folders, ended=True)

    def _cancel_queued(self, reason: str) -> None:
        for live in [live for live in self._live.values() if live.trial.state is TrialState.QUEUED]:
            # whoever is queued for a fresh seed has been through every rung
            whole = live.rung > self.spec.protocol.last_rung
            self._move(live, TrialState.COMPLETED if whole else TrialState.CANCELLED, None if whole else reason)
            del self._live[live.trial.number]
        self._ready.clear()
        self._fresh.clear()

    # writing it down

    def _become(self, state: StudyState, reason: str | None = None, wish: Wish | None = None) -> None:
        if state not in STUDY_TRANSITIONS[self.state]:
            raise ValueError(f"study {self.study_id} is {self.state} and cannot become {state}")
        self.state = state
        self._changes.state, self._changes.reason, self._changes.wish = state, reason, wish
        self._changes.event("study.state", state=state, reason=reason, **self._progress())

    def _move(self, live: Live, state: TrialState, reason: str | None = None) -> None:
        if state not in TRIAL_TRANSITIONS[live.trial.state]:
            raise ValueError(f"trial {live.trial.number} is {live.trial.state} and cannot become {state}")
        live.trial = replace(live.trial, state=state)
        self._changes.move(live.trial.number, state, reason)
        if state in FINAL_TRIAL_STATES and (live.folders or live.attempt):
            self._keep(live.trial.number, live.folders, ended=True)
        # that it runs is told by the run's own event
        if state is not TrialState.RUNNING:
            self._tell_watchers(live.trial.number, state, rung=min(live.rung, len(self.spec.protocol.rungs)), reason=reason)

    def _keep(self, number: int, folders: tuple[str, ...], *, ended: bool) -> None:
        self._changes.keep(Kept(study_id=self.study_id, number=number, folders=folders, ended=ended))

    def _tell_watchers(
        self, number: int, state: TrialState, *, rung: int, score: float | None = None, reason: str | None = None
    ) -> None:
        data = {"number": number, "state": state, "rung": rung, "score": score, "reason": reason}
        self._changes.event("trial.state", **data, **self._progress())

    def _end_run(self, finished: Finished, state: RunState, *, score: float | None = None, reason: str | None = None) -> None:
        self._changes.run(RunRecord(key=finished.key, state=state, finished=finished, reason=reason))
        where = {"number": finished.number, "rung": finished.rung, "attempt": finished.attempt}
        self._changes.event("run.ended", **where, state=state, score=score, reason=reason)

    def _lose(self, key: RunKey, reason: str) -> None:
        self._changes.run(RunRecord(key=key, state=RunState.LOST, reason=reason))
        where = {"number": key.number, "rung": key.rung, "attempt": key.attempt}
        self._changes.event("run.ended", **where, state=RunState.LOST, reason=reason)

    def _progress(self) -> dict[str, int]:
        """How many of the budget's trials have a first score, or failed."""
        return {"measured": self._n_measured, "budget": self.spec.budget.trials}


_NOTHING = Failure(kind="crash", message="the executor gave neither a result nor a failure")
_FATAL = Failure(
    kind="crash",
    message=f"its driver went away while it ran, {MAX_LOSSES} times",
    hint="See the driver's log for how it ended: this run may have taken it down, by taking all memory for example.",
)


def _finished(key: RunKey, failure: Failure) -> Finished:
    return Finished(study_id=key.study_id, number=key.number, rung=key.rung, attempt=key.attempt, failure=failure)


def _with_all(finished: Finished, asked: Sequence[str]) -> Finished:
    """The same, or the failure of a result that lacks a metric of the study's."""
    if finished.result is None:
        return finished
    reported, searched = reported_metrics(finished.result), search_metrics(finished.result)
    lacking = [name for name in asked if name not in reported or name not in searched]
    if not lacking:
        return finished
    failure = Failure(
        kind="invalid",
        message=f"the result has no {', '.join(lacking)}, which the study asks for",
        hint="A device or task may be unable to measure it: take it out of objectives and constraints, and submit again.",
    )
    return _finished(finished.key, failure)


def _reason(failure: Failure) -> str:
    return f"{failure.kind}: {failure.message}"[:MAX_REASON]


def _halving_of(spec: StudySpec) -> Halving | None:
    if spec.halving is None:
        return None
    return Halving(eta=spec.halving.eta, n_rungs=len(spec.protocol.rungs), n_objectives=len(spec.objectives))
