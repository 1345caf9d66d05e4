"""The sampler's memory of one study: Optuna's in-memory study, rebuilt from our rows whenever a driver starts.

What a proposal depends on is exactly (study seed, trial number, the trials told so far): each ask gets a fresh sampler with a
seed of its own, and a slot holds the same whether it was told live or replayed. So a resumed study proposes what an
uninterrupted one would. Our own samplers note nothing on a trial; what another one does (Optuna's NSGA-II its generation)
stays with the trial while the brain lives, but no row holds it.
"""

import math
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from nas import sampling
from nas.objectives import objectives_of
from nas.sampling import SamplerBuilder
from nas.sampling.memory import Memory
from nas.seeds import derive
from nas.study import StudySpec
from nas.trial import Params

_NO_TIME = datetime(1970, 1, 1)
_EMPTY: dict[str, Any] = {}
_SHARED = ":relative_params:"
"""Optuna's TPE and GP write on a trial what they are about to propose: the params say it, without genes that are inactive."""


class Brain:
    """Slots in order of trial number. References have a slot too, which the sampler ignores.

    build_sampler: makes the sampler for one ask from what the study says of it and a seed.
    """

    def __init__(self, spec: StudySpec, build_sampler: SamplerBuilder = sampling.build) -> None:
        self._spec, self._build_sampler = spec, build_sampler
        self._memory = _Memory()
        better = {True: StudyDirection.MAXIMIZE, False: StudyDirection.MINIMIZE}
        directions = [better[metric.maximize] for metric in objectives_of(spec)]
        self._study = optuna.create_study(storage=self._memory, directions=directions)
        self._of_samplers = Memory()
        self._notes: dict[int, dict[str, Any]] = {}
        self._distributions: dict[tuple[str, ...], dict[str, BaseDistribution]] = {}

    @property
    def next_number(self) -> int:
        """The number of the next slot."""
        return self._memory.n_slots

    def ask(self) -> Params:
        """The next trial's params; it counts as running until told."""
        number = self.next_number
        seed = derive(self._spec.seed, "ask", number) % 2**32
        self._study.sampler = self._build_sampler(self._spec.sampler, seed, self._of_samplers)
        params = self._spec.space.suggest(self._study.ask())
        notes = {key: note for key, note in self._memory.get_trial(number).system_attrs.items() if _SHARED not in key}
        if notes:
            self._notes[number] = notes
        self._put(number, TrialState.RUNNING, params)
        return params

    def skip(self) -> None:
        """Use up the next slot for a trial the sampler did not propose."""
        self._put(self._memory.add_slot(), TrialState.FAIL, {})

    def replay(self, params: Params) -> None:
        """Fill the next slot with a proposal made before: in an earlier life, or by a warm start."""
        self._put(self._memory.add_slot(), TrialState.RUNNING, params)

    def tell(self, number: int, values: Sequence[float]) -> None:
        """The newest objective values of a trial, in the order of the study's objectives. Telling again replaces them."""
        if not all(map(math.isfinite, values)):
            raise ValueError(f"trial {number}: objective values must be finite, got {list(values)}")
        self._put(number, TrialState.COMPLETE, self.params(number), values=values)

    def reject(self, number: int, excess: float) -> None:
        """The trial breaks a constraint by `excess` > 0; samplers that can, learn from it."""
        # pruned, because Optuna's TPE looks at the constraints of complete and pruned trials only
        self._put(number, TrialState.PRUNED, self.params(number), excess=excess)

    def fail(self, number: int) -> None:
        """The trial has no score: samplers ignore it."""
        self._put(number, TrialState.FAIL, self.params(number))

    def params(self, number: int) -> Params:
        """The gene values of a trial; empty for a skipped slot."""
        return self._memory.get_trial(number).params

    def values(self, number: int) -> tuple[float, ...] | None:
        """The values told last, or None."""
        values = self._memory.get_trial(number).values
        return None if values is None else tuple(values)

    def _put(
        self,
        number: int,
        state: TrialState,
        params: Params,
        values: Sequence[float] | None = None,
        excess: float | None = None,
    ) -> None:
        # one empty value for all that have none: most trials, in most studies
        notes = self._notes.get(number, _EMPTY)
        trial = FrozenTrial(
            number=number,
            trial_id=number,
            state=state,
            value=None,
            values=values,
            datetime_start=_NO_TIME,
            datetime_complete=_NO_TIME if state.is_finished() else None,
            params=params,
            distributions=self._distributions_of(params),
            user_attrs=_EMPTY,
            system_attrs=notes if excess is None else dict(notes),
            intermediate_values={},
        )
        if excess is not None:
            trial.set_constraint("excess", excess)
        self._memory.replace(trial)

    def _distributions_of(self, params: Params) -> dict[str, BaseDistribution]:
        """One shared value for all trials with the same active genes: a gene's distribution never changes."""
        active = tuple(params)
        if active not in self._distributions:
            trial = FixedTrial(params)
            if params:
                self._spec.space.suggest(trial)
            self._distributions[active] = trial.distributions
        return self._distributions[active]


class _Memory(InMemoryStorage):
    """One study's slots, where trial id and number are the same and a finished trial may be replaced.

    Optuna refuses to tell a trial twice; a promoted trial has newer values at every rung.
    """

    @property
    def n_slots(self) -> int:
        return len(self._trial_id_to_study_id_and_number)

    def add_slot(self) -> int:
        return self.create_new_trial(study_id=0)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        # nobody is ever enqueued, and Optuna's ask looks through all trials for one that is
        if states == (TrialState.WAITING,):
            return []
        return super().get_all_trials(study_id, deepcopy, states)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        # in place: nobody else looks, and a copy for every gene is a third of what a proposal costs
        trial = self.get_trial(trial_id)
        trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        trial.distributions[param_name] = distribution

    def replace(self, trial: FrozenTrial) -> None:
        with self._lock:
            self._set_trial(trial.number, trial)
