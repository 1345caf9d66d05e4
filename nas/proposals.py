"""Where a study's trials come from, and what the sampler hears of them: references, then its warm start, then the sampler.

A proposal that breaks a constraint, or is an architecture the study already has, is stored as what it is and never trained.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from nas import sampling
from nas.brackets import first_rung
from nas.brain import Brain
from nas.constraints import exact_limits, excess, explain, measured_limits
from nas.members import matched, unmatched
from nas.metrics import exact_metrics
from nas.objectives import Values, objective_values, objectives_of
from nas.ports import Standing
from nas.sampling import SamplerBuilder
from nas.study import StudySpec
from nas.trial import Trial, TrialState
from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.matching import Unmatched
from search_spaces.primitives import Cost
from search_spaces.summary import summarise


def _no_objection(_: Architecture) -> None:
    """Whatever can be built can be run."""


MAX_BARREN = 10_000
"""However many trials are asked for: so many proposals in a row that cannot be trained mean that there is nothing to find."""


class Proposals:
    """The search side of one study. `max_params` is the service's own limit beside the study's constraints.

    build_sampler: as `nas.brain.Brain` has it. objection: why an architecture cannot be run at all, None where it can.
    """

    def __init__(
        self,
        spec: StudySpec,
        *,
        max_params: int,
        build_sampler: SamplerBuilder = sampling.build,
        objection: Callable[[Architecture], str | None] = _no_objection,
    ) -> None:
        self._spec = spec
        self._objectives = objectives_of(spec)
        self._limits, self._measured_limits = exact_limits(spec, max_params), measured_limits(spec)
        self._brain, self._objection = Brain(spec, build_sampler), objection
        self._first_with: dict[bytes, int] = {}
        self._duplicates: defaultdict[int, list[int]] = defaultdict(list)
        self._reference_values: dict[int, Values] = {}
        self._failed: set[int] = set()
        self._excesses: dict[int, float] = {}
        self.n_trials = 0
        self._n_barren = 0

    @property
    def exhausted(self) -> str | None:
        """Why the sampler is not asked again although the budget would allow it; None while it is."""
        if self._n_barren < min(200 + 10 * self._spec.budget.trials, MAX_BARREN):
            return None
        return (
            f"space exhausted: {self._n_barren} proposals in a row broke a constraint or were known already;"
            " widen the space, loosen the constraints, or ask for fewer trials"
        )

    @property
    def more(self) -> bool:
        """Whether there is anything left to propose."""
        own = self.n_trials < self._spec.budget.trials and self.exhausted is None
        return own or self._brain.next_number < len(self._spec.references)

    def is_reference(self, number: int) -> bool:
        """References have the lowest numbers."""
        return number < len(self._spec.references)

    def propose(self) -> Trial:
        """The next trial: queued, or infeasible, or a duplicate."""
        number = self._brain.next_number
        start = number - len(self._spec.references)
        if start < 0:
            self._brain.skip()
        elif start < len(self._spec.warm_start.params):
            self._brain.replay(dict(self._spec.warm_start.params[start]))
        else:
            self._brain.ask()
        trial = self._judge(self.rebuild(number))
        self._count(trial.number, distinct=trial.state is TrialState.QUEUED)
        return trial

    def rebuild(self, number: int) -> Trial:
        """A trial's row as it was when it was proposed, from its gene values alone; a reason where it cannot be matched."""
        reference = self._spec.references[number] if self.is_reference(number) else None
        params = self._brain.params(number)
        architecture, reason = unmatched(self._spec, params, reference), None
        try:
            architecture = matched(self._spec, architecture)
        except Unmatched as problem:
            reason = str(problem)
        return Trial(
            number=number,
            state=TrialState.QUEUED,
            params=params,
            architecture=architecture,
            summary=summarise(architecture),
            cost=price(architecture, self._spec.cost_at.context),
            reference=reference,
            reason=reason,
        )

    def tell(self, number: int, searched: Mapping[str, float], cost: Cost) -> None:
        """A trial's newest metrics as the search sees them; its duplicates hear them too."""
        values = objective_values(self._objectives, searched, cost)
        if self.is_reference(number):
            self._reference_values[number] = values
        for own in self._own(number):
            self._brain.tell(own, values)

    def broken(self, searched: Mapping[str, float]) -> str | None:
        """Which measured constraints a result breaks, for a person; None when it keeps them all."""
        return explain(searched, self._measured_limits)

    def reject(self, number: int, searched: Mapping[str, float]) -> None:
        """A trial's newest metrics break a constraint; the sampler hears by how much, of its duplicates too."""
        self._excesses[number] = excess(searched, self._measured_limits)
        self._reference_values.pop(number, None)
        for own in self._own(number):
            self._brain.reject(own, self._excesses[number])

    def fail(self, number: int) -> None:
        """A trial will have no score, or none that counts."""
        self._failed.add(number)
        self._reference_values.pop(number, None)
        for own in self._own(number):
            self._brain.fail(own)

    def replay(self, standing: Standing) -> None:
        """Take in a stored trial: the same memory as if it had been proposed and told here. In order of number."""
        if self.is_reference(standing.number):
            self._brain.skip()
        else:
            self._brain.replay(standing.params)
        state, number = standing.state, standing.number
        untrained = state in (TrialState.INFEASIBLE, TrialState.DUPLICATE) and not standing.searched
        self._count(number, distinct=not untrained)
        if not untrained:
            self._first_with[bytes.fromhex(standing.digest)] = number
        if state is TrialState.INFEASIBLE and untrained:
            self._reject(number, standing.cost)
        elif state is TrialState.INFEASIBLE:
            self.reject(number, standing.searched[-1])
        elif standing.twin is not None:
            self._pair(number, standing.twin)
        elif state in (TrialState.FAILED, TrialState.CANCELLED):
            self.fail(number)
        elif standing.searched:
            # fresh seeds come after the search, which never hears of them
            searched = standing.searched[: len(self._spec.protocol.rungs) - first_rung(self._spec, number)]
            self.tell(number, searched[-1], standing.cost)

    def _judge(self, trial: Trial) -> Trial:
        broken = explain(exact_metrics(trial.cost), self._limits)
        reasons = filter(None, (trial.reason, broken, self._objection(trial.architecture)))
        reason = "; ".join(reasons) or None
        if reason is not None:
            self._reject(trial.number, trial.cost)
            return replace(trial, state=TrialState.INFEASIBLE, reason=reason)
        twin = self._first_with.setdefault(bytes.fromhex(trial.architecture.digest), trial.number)
        if twin != trial.number:
            self._pair(trial.number, twin)
            return replace(trial, state=TrialState.DUPLICATE, twin=twin, reason=f"the same architecture as trial {twin}")
        return trial

    def _count(self, number: int, *, distinct: bool) -> None:
        if not self.is_reference(number):
            self.n_trials += distinct
            self._n_barren = 0 if distinct else self._n_barren + 1

    def _reject(self, number: int, cost: Cost) -> None:
        if not self.is_reference(number):
            # nothing says how far away an architecture is that cannot be run: as far as one of twice the size allowed
            self._brain.reject(number, excess(exact_metrics(cost), self._limits) + self._miss(cost) or 1.0)

    def _miss(self, cost: Cost) -> float:
        """How far from the cost it compares at a study's proposal is, as a share; 0 where it is near enough."""
        goal = self._spec.matched.goal if self._spec.matched else None
        value = exact_metrics(cost)[goal.metric] if goal else 0
        return 0.0 if goal is None or goal.met(value) else goal.miss(value)

    def _pair(self, number: int, twin: int) -> None:
        """The sampler hears of a duplicate what it hears of its twin."""
        self._duplicates[twin].append(number)
        values = self._reference_values.get(twin) if self.is_reference(twin) else self._brain.values(twin)
        if self.is_reference(number):
            return
        if values is not None:
            self._brain.tell(number, values)
        elif twin in self._excesses:
            self._brain.reject(number, self._excesses[twin])
        elif twin in self._failed:
            self._brain.fail(number)

    def _own(self, number: int) -> Iterator[int]:
        """The trial and its duplicates, as far as the sampler proposed them."""
        everybody = (number, *self._duplicates.get(number, ()))
        return (each for each in everybody if not self.is_reference(each))
