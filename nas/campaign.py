"""One study as its driver knows it: what to propose, run and promote next, and what each result means.

No I/O: what it decides gathers in a batch, which the driver writes before it acts on any of it. References run first and go
through all rungs; a repeated run goes before a promoted one, a promoted one before a new trial.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from nas.endings import FATAL, MAX_REASON, NOTHING, failed, in_a_line, with_all
from nas.journal import Journal
from nas.live import Live
from nas.metrics import search_metrics
from nas.objectives import asked_of
from nas.ports import Batch, Claim, Kept, Standing
from nas.proposals import Proposals
from nas.run import MAX_ATTEMPTS, MAX_LOSSES, Failure, Finished, Result, Run, RunKey, trial_folder
from nas.seeds import derive, fresh_seed
from nas.selection import Selection
from nas.study import FINAL_STUDY_STATES, StudyState, Wish
from nas.trial import FINAL_TRIAL_STATES, Trial, TrialState

MIN_ASK_AHEAD, PLACES_FOR_EACH = 2, 32
"""Proposals kept ready, so that a freed worker waits for a write and not for the sampler: one for so many places, two at least.
With more places more become free at once, and a proposal misses less that does not know of the last results.
"""


MOST_LATELY = 256
"""Trials that were scored last are not forgotten at once: who goes on is often one of them, and need not be built again."""


class Campaign:
    """The state of one claimed study: replay its history, then propose, start and accept until it is final."""

    def __init__(self, claim: Claim, proposals: Proposals, *, last_sequence: int) -> None:
        spec = claim.spec
        self.study_id, self.spec = claim.study_id, spec
        self._journal = Journal(claim, last_sequence=last_sequence)
        self._proposals = proposals
        self._selection = Selection(spec)
        self._asked = asked_of(spec)
        self._data_seed = derive(spec.seed, "data")
        self._live: dict[int, Live] = {}
        self._ready: deque[Live] = deque()
        self._fresh: deque[Live] = deque()
        self._in_flight: dict[RunKey, Live] = {}
        self._folders: dict[int, tuple[str, ...]] = {}
        self._lately: dict[int, Trial] = {}
        self._n_failures = 0

    # what the driver sees

    @property
    def state(self) -> StudyState:
        """Where the study stands."""
        return self._journal.state

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
        return self._journal.next_sequence

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
        return tuple(
            Kept(study_id=self.study_id, number=n, first_rung=self._selection.first_rung(n), folders=each, ended=True)
            for n, each in folders.items()
        )

    def wants_proposal(self, n_places: int) -> bool:
        """Whether few proposals are left in the queue for so many places, and more may be made."""
        n_places = min(n_places, self.spec.budget.max_parallel or n_places)
        ahead = max(MIN_ASK_AHEAD, n_places // PLACES_FOR_EACH)
        return self.state is StudyState.RUNNING and len(self._fresh) < ahead and self._proposals.more

    def take_batch(self) -> Batch | None:
        """What was decided since the last call, for the driver to write; None when that is nothing."""
        return self._journal.take_batch()

    # going on where the last driver stopped

    def replay(self, standing: Standing) -> None:
        """Take in a stored trial. In order of number, before everything else."""
        self._proposals.replay(standing)
        self._selection.replay(standing)
        measured = bool(standing.reported) or standing.state is TrialState.FAILED
        self._journal.n_measured += measured and standing.reference is None
        if standing.state is TrialState.PAUSED:
            self._folders[standing.number] = standing.folders
        elif standing.state in (TrialState.QUEUED, TrialState.RUNNING):
            self._replay_live(standing)

    def _replay_live(self, standing: Standing) -> None:
        live = self._live[standing.number] = Live(
            trial=replace(self._proposals.rebuild(standing.number), state=standing.state),
            rung=self._selection.first_rung(standing.number) + len(standing.reported),
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
                self._journal.run_lost(key, "its driver went away")
                self._journal.move(live, TrialState.QUEUED)
                continue
            self._ready.remove(live)
            self._fail(live, failed(key, FATAL), FATAL)

    # what its user wants

    def obey(self, wish: Wish) -> None:
        """Make the study what its user wants, unless it has just changed by itself and that is not written yet."""
        if self.final or self._journal.has_new_state:
            return
        if wish is Wish.RUN and self.state in (StudyState.QUEUED, StudyState.PAUSED):
            self._n_failures = 0
            self._journal.become(StudyState.RUNNING)
        elif wish is Wish.PAUSE and self.state in (StudyState.QUEUED, StudyState.RUNNING):
            self._journal.become(StudyState.PAUSED, "paused by its user")
        elif wish is Wish.STOP and not self._in_flight:
            self._end(StudyState.STOPPED, "stopped by its user")
        elif wish is Wish.STOP and self.state is not StudyState.STOPPING:
            self._journal.become(StudyState.STOPPING, "stopped by its user; runs in flight end first")
            self._cancel_queued("the study was stopped")

    # new trials

    def propose(self) -> None:
        """Make one proposal: it joins the queue, or is stored as infeasible or a duplicate."""
        trial = self._proposals.propose()
        self._journal.proposed(trial)
        if trial.state is TrialState.QUEUED:
            live = self._live[trial.number] = Live(trial=trial, rung=self._selection.first_rung(trial.number))
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
        halving = self._selection.halving
        chosen = halving.promote(closing=closing) if halving else None
        if chosen is None:
            return False
        self._take_up(*chosen)
        return True

    def _take_up(self, number: int, rung: int) -> None:
        """A trial that waits goes on to a rung."""
        trial = self._lately.pop(number, None) or self._proposals.rebuild(number)
        trial = replace(trial, state=TrialState.PAUSED)
        live = self._live[number] = Live(trial=trial, rung=rung, folders=self._folders.pop(number))
        self._journal.move(live, TrialState.QUEUED)
        self._ready.append(live)

    def _confirm(self) -> bool:
        """Start the next round of fresh seeds; False when there is none, or none any more."""
        chosen = self._selection.finalists.next()
        for number in chosen:
            self._take_up(number, self._selection.first_rung(number) + len(self._folders[number]))
        return bool(chosen)

    def _start(self, live: Live) -> Run:
        live.attempt += 1
        number, fresh = live.trial.number, live.rung - len(self.spec.protocol.rungs)
        seed = derive(self.spec.seed, number) if fresh < 0 else fresh_seed(self.spec.seed, number, fresh)
        # every part was checked when it was made; pydantic would check the architecture once more
        run = Run.model_construct(
            study_id=self.study_id,
            number=number,
            rung=live.rung,
            attempt=live.attempt,
            architecture=live.trial.architecture,
            protocol=self.spec.protocol,
            seed=seed,
            data_seed=self._data_seed,
            resume=self._checkpoint(live) if fresh < 0 else None,
            rates=dict(self._selection.finalists[number].rates) if fresh >= 0 else {},
            max_seconds=self.spec.budget.max_run_seconds,
            reuse=self.spec.reuse and fresh < 0,
        )
        self._in_flight[run.key] = live
        self._journal.run_started(run)
        self._journal.move(live, TrialState.RUNNING)
        return run

    def _checkpoint(self, live: Live) -> str | None:
        """What the next rung goes on from; no run goes on from a result of another study, which has other seeds."""
        own = trial_folder(self.study_id, live.trial.number)
        return live.folders[-1] if live.folders and live.folders[-1].startswith(f"{own}/") else None

    def accept(self, finished: Finished) -> None:
        """Take in what came of a run; one that is not in flight here (cancelled, or known already) is ignored."""
        live = self._in_flight.pop(finished.key, None)
        if live is None:
            return
        fresh = live.rung > self.spec.protocol.last_rung
        finished = finished if fresh else with_all(finished, self._asked)
        if finished.result is not None and fresh:
            self._accept_fresh(live, finished, finished.result)
        elif finished.result is not None:
            self._accept_result(live, finished, finished.result)
        else:
            self._accept_failure(live, failed(finished.key, finished.failure or NOTHING))
        self.settle()

    def _accept_result(self, live: Live, finished: Finished, result: Result) -> None:
        number, rung = live.trial.number, live.rung
        self._n_failures = 0
        self._measure(live)
        self._journal.run_ended(finished)
        broken = self._judge(live, result)
        state = TrialState.INFEASIBLE if broken else self._selection.state_after(number, rung)
        on_front = self._selection.on_front(number)
        row = replace(live.trial, state=state, rung=rung, result=result, pareto=on_front, reason=broken)
        self._journal.scored(row, rung=rung, score=result.score)
        self._go_on(live, state, result)

    def _accept_fresh(self, live: Live, finished: Finished, result: Result) -> None:
        """A run with a fresh seed: the row says what all fresh seeds say."""
        number, rung = live.trial.number, len(self.spec.protocol.rungs)
        self._n_failures = 0
        self._journal.run_ended(finished)
        confirmed, flags = self._selection.confirm(number, live.rung, result, live.trial.cost)
        self._journal.flags(flags)
        state, on_front = self._selection.state_after_seed(live.rung), self._selection.on_front(number)
        row = replace(live.trial, state=state, rung=rung, result=result, confirmed=confirmed, pareto=on_front)
        self._journal.scored(row, rung=rung, score=confirmed.score)
        self._go_on(live, state, result)

    def _go_on(self, live: Live, state: TrialState, result: Result) -> None:
        """To the next rung or seed, to wait, or to the end."""
        number, rung, folders = live.trial.number, live.rung, (*live.folders, result.folder)
        self._journal.keep(number, folders, ended=state in FINAL_TRIAL_STATES)
        if state is TrialState.QUEUED:
            live.trial = replace(live.trial, state=state)
            live.rung, live.attempt, live.failures, live.folders = rung + 1, 0, 0, folders
            self._ready.append(live)
            return
        del self._live[number]
        if state is TrialState.PAUSED:
            self._folders[number] = folders
            self._lately[number] = live.trial
            if len(self._lately) > MOST_LATELY:
                del self._lately[next(iter(self._lately))]

    def _judge(self, live: Live, result: Result) -> str | None:
        """What a result means for the search and the front; the constraints that it breaks, if any."""
        number, cost, searched = live.trial.number, live.trial.cost, search_metrics(result)
        broken = self._proposals.broken(searched)
        if broken:
            self._proposals.reject(number, searched)
            self._journal.flags(self._selection.remove(number, live.rung))
            return broken[:MAX_REASON]
        self._proposals.tell(number, searched, cost)
        self._journal.flags(self._selection.enter(number, live.rung, result, cost))
        return None

    def _accept_failure(self, live: Live, finished: Finished) -> None:
        live.failures += 1
        failure = finished.failure or NOTHING
        if live.failures < MAX_ATTEMPTS[failure.kind] and self.state is not StudyState.STOPPING:
            self._journal.run_ended(finished, in_a_line(failure))
            self._journal.move(live, TrialState.QUEUED, f"attempt {live.attempt} failed ({failure.kind}), another follows")
            self._ready.append(live)
            return
        self._fail(live, finished, failure)

    def _fail(self, live: Live, finished: Finished, failure: Failure) -> None:
        """The trial's last run has failed; too many trials in a row that fail pause the study."""
        reason = in_a_line(failure)
        self._journal.run_ended(finished, reason)
        self._measure(live)
        self._proposals.fail(live.trial.number)
        self._journal.move(live, TrialState.FAILED, reason)
        del self._live[live.trial.number]
        self._selection.fail(live.trial.number, live.rung)
        self._n_failures += 1
        if self._n_failures >= self.spec.budget.max_consecutive_failures and self.state is StudyState.RUNNING:
            text = f"{self._n_failures} trials failed in a row, the last with {reason}; mend the cause and resume"
            self._journal.become(StudyState.PAUSED, text[:MAX_REASON], wish=Wish.PAUSE)

    def _measure(self, live: Live) -> None:
        first = live.rung == self._selection.first_rung(live.trial.number)
        self._journal.n_measured += first and live.trial.reference is None

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
        for left in self._selection.halving.left() if self._selection.halving else ():
            self._journal.end(
                left.number, TrialState.PRUNED, self._folders.pop(left.number), rung=left.rung, reason=left.reason
            )
        for number in self._selection.finalists.numbers:
            folders = self._folders.pop(number, None)
            if folders is not None:
                # it waited at the last rung, or for another fresh seed, and has all that it will get
                rung = self._selection.first_rung(number) + len(folders) - 1
                self._journal.end(number, TrialState.COMPLETED, folders, rung=rung)
        self._journal.become(state, reason)

    def _cancel_queued(self, reason: str) -> None:
        for live in [live for live in self._live.values() if live.trial.state is TrialState.QUEUED]:
            # whoever is queued for a fresh seed has been through every rung
            whole = live.rung > self.spec.protocol.last_rung
            self._journal.move(live, TrialState.COMPLETED if whole else TrialState.CANCELLED, None if whole else reason)
            del self._live[live.trial.number]
        self._ready.clear()
        self._fresh.clear()
