"""What the trials of a study are compared for: who goes on to the next rung, who is on the front, and who is confirmed.

References take part in the front and in confirmation; they go through all rungs, so nothing is decided about them at one.
"""

from collections.abc import Mapping

from nas.brackets import first_rung
from nas.confirmation import Finalist, Finalists
from nas.halving import Halving
from nas.metrics import reported_metrics, search_metrics
from nas.objectives import Values, objectives_of, ranked_values
from nas.pareto import Flags, ParetoFront
from nas.ports import Standing
from nas.run import Result
from nas.sample_error import result_error
from nas.study import StudySpec
from nas.trial import Confirmed, TrialState
from search_spaces.primitives import Cost

_WAITS = (TrialState.PAUSED, TrialState.PRUNED)
_ENDED_BADLY = (TrialState.FAILED, TrialState.CANCELLED, TrialState.INFEASIBLE)


class Selection:
    """Knows every trial by its newest values. Promotion, like the sampler, never sees test data; the front shows nothing
    else.
    """

    def __init__(self, spec: StudySpec) -> None:
        self._spec, self._objectives = spec, objectives_of(spec)
        self._n_rungs = len(spec.protocol.rungs)
        self._front = ParetoFront()
        self.halving = _halving_of(spec)
        self.finalists = Finalists(spec)
        self._tasks = spec.protocol.by_key()

    def is_reference(self, number: int) -> bool:
        """References have the lowest numbers."""
        return number < len(self._spec.references)

    def first_rung(self, number: int) -> int:
        """Where a trial starts, which is its bracket."""
        return first_rung(self._spec, number)

    def on_front(self, number: int) -> bool:
        """Whether the trial is on the Pareto front."""
        return number in self._front

    def state_after(self, number: int, rung: int) -> TrialState:
        """A reference goes through all rungs, and so does everybody in a study without halving; then some are confirmed."""
        if rung == self._spec.protocol.last_rung:
            return TrialState.PAUSED if self._spec.confirmation else TrialState.COMPLETED
        return TrialState.PAUSED if self._halved(number) else TrialState.QUEUED

    def state_after_seed(self, rung: int) -> TrialState:
        """Everybody who is confirmed gets the first fresh seeds one after the other."""
        more = self._spec.confirmation is not None and rung + 1 < self._n_rungs + self._spec.confirmation.first
        return TrialState.QUEUED if more else TrialState.PAUSED

    def enter(self, number: int, rung: int, result: Result, cost: Cost) -> Flags:
        """A trial has a result at a rung; returns every flag of the front that this changes."""
        searched, reported = search_metrics(result), reported_metrics(result)
        self._rank(number, rung, searched, cost)
        if self._spec.confirmation and rung == self._spec.protocol.last_rung:
            rates = {task.task: task.learning_rate for task in result.tasks}
            is_reference, values = self.is_reference(number), self._ranked(searched, cost)
            finalist = Finalist(is_reference=is_reference, values=values, rates=rates, reported=[reported])
            self.finalists.enter(number, finalist)
        return self._front.add(number, rung, self._ranked(reported, cost))

    def confirm(self, number: int, rung: int, result: Result, cost: Cost) -> tuple[Confirmed, Flags]:
        """A trial has a result with a fresh seed: what all of them say now, and the flags that this changes."""
        finalist = self.finalists[number]
        finalist.take(reported_metrics(result), result_error(result.tasks, self._tasks))
        return finalist.confirmed(result if rung == self._n_rungs else None), self._show_confirmed(number, finalist, cost)

    def remove(self, number: int, rung: int) -> Flags:
        """A trial breaks a constraint at a rung and is on no front any more."""
        self._fall(number, rung)
        return self._front.remove(number)

    def fail(self, number: int, rung: int) -> None:
        """A trial has no score at a rung, or with a fresh seed, and never will."""
        self._fall(number, rung)
        self.finalists.leave(number)

    def replay(self, standing: Standing) -> None:
        """Take in a stored trial, rung by rung, as if it had been measured now."""
        number, cost, first = standing.number, standing.cost, self.first_rung(standing.number)
        last = first + len(standing.reported) - 1
        for rung, (reported, searched) in enumerate(zip(standing.reported, standing.searched, strict=True), start=first):
            if rung == last and standing.state is TrialState.INFEASIBLE:
                self.remove(number, rung)
                break
            if rung > self._spec.protocol.last_rung:
                break
            self._rank(number, rung, searched, cost, promoted=not (rung == last and standing.state in _WAITS))
            self._front.add(number, rung, self._ranked(reported, cost))
        if standing.state is TrialState.FAILED:
            self._fall(number, last + 1)
        if standing.finals:
            self._replay_final(standing)

    def _replay_final(self, standing: Standing) -> None:
        """A trial that has reached the last rung of a study with confirmation, and what fresh seeds said of it."""
        at_last = self._spec.protocol.last_rung - self.first_rung(standing.number)
        finalist = Finalist(
            is_reference=self.is_reference(standing.number),
            values=self._ranked(standing.searched[at_last], standing.cost),
            rates=standing.rates,
            reported=list(standing.finals),
            errors=list(standing.errors),
        )
        if finalist.scores:
            self._show_confirmed(standing.number, finalist, standing.cost)
        if standing.state not in _ENDED_BADLY:
            self.finalists.enter(standing.number, finalist)

    def _show_confirmed(self, number: int, finalist: Finalist, cost: Cost) -> Flags:
        return self._front.add(number, self._n_rungs, self._ranked(finalist.mean_metrics(), cost))

    def _ranked(self, measured: Mapping[str, float], cost: Cost) -> Values:
        return ranked_values(self._objectives, measured, cost)

    def _rank(self, number: int, rung: int, searched: Mapping[str, float], cost: Cost, *, promoted: bool = False) -> None:
        """For promotion: the reported scores are no product of the search."""
        if self.halving and self._halved(number) and rung < self._spec.protocol.last_rung:
            values, bracket = self._ranked(searched, cost), self.first_rung(number)
            self.halving.record(number, rung, values, bracket=bracket, promoted=promoted)

    def _fall(self, number: int, rung: int) -> None:
        """Whoever is confirmed has been at the full budget."""
        if self.halving and self._halved(number) and rung <= self._spec.protocol.last_rung:
            self.halving.fall(rung, bracket=self.first_rung(number))

    def _halved(self, number: int) -> bool:
        return self.halving is not None and not self.is_reference(number)


def _halving_of(spec: StudySpec) -> Halving | None:
    if spec.halving is None:
        return None
    return Halving(
        eta=spec.halving.eta,
        n_rungs=len(spec.protocol.rungs),
        n_objectives=len(spec.objectives),
        n_brackets=spec.halving.brackets,
    )
