"""A study of ours as Optuna's trials: numbers and params are kept, and what Optuna has no word for becomes a user attribute.

Values are what the search saw, on validation data, so that a sampler which goes on from them never chooses on test data; the
leaderboard's test score and its interval are user attributes. Intermediate values are the search's score by optimiser steps;
Optuna has them for one objective only, so that they are an attribute as well.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from nas.constraints import margins
from nas.metrics import exact_metrics
from nas.objectives import objective_values, objectives_of
from nas.store.views import TrialHistory
from nas.study import StudySpec
from nas.trial import Params
from nas.trial import TrialState as Ours
from search_spaces.space import Space

DUPLICATE: Final = "duplicate_of"
REFERENCE: Final = "reference"
UNTRAINABLE: Final = "untrainable"
"""The constraint of what is infeasible for another reason than the study's constraints: the service's limit, or no match."""

_STATES: Final = {
    Ours.COMPLETED: TrialState.COMPLETE,
    Ours.PRUNED: TrialState.PRUNED,
    # pruned, because Optuna's TPE looks at the constraints of complete and pruned trials only
    Ours.INFEASIBLE: TrialState.PRUNED,
    Ours.FAILED: TrialState.FAIL,
    Ours.CANCELLED: TrialState.FAIL,
}
"""Those that have not ended are running."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What Optuna is told of a trial; a duplicate has its twin's. scores: of the search, by optimiser steps."""

    state: TrialState
    values: tuple[float, ...] | None
    scores: Mapping[int, float]
    constraints: Mapping[str, float]


def optuna_trials(spec: StudySpec, history: Iterable[TrialHistory]) -> Iterator[FrozenTrial]:
    """Trials in order of number. References, which are outside the space, fail there and keep their scores as attributes."""
    distributions, outcomes = _Distributions(spec.space), dict[int, _Outcome]()
    single = len(spec.objectives) == 1
    for item in history:
        twin = item.row.twin
        outcome = outcomes[item.row.number] = outcomes[twin] if twin is not None else _outcome(spec, item)
        own = item.row.reference is None
        trial = create_trial(
            state=outcome.state if own else TrialState.FAIL,
            values=outcome.values if own else None,
            params=item.params,
            distributions=distributions.of(item.params),
            user_attrs={**_attributes(item), "search_scores": {str(steps): score for steps, score in outcome.scores.items()}},
            # TPE cannot read a pruned trial of several objectives that has any
            intermediate_values=dict(outcome.scores) if single else None,
            constraints=dict(outcome.constraints) or None,
        )
        trial.datetime_start = _local(item.row.created_at)
        trial.datetime_complete = _local(item.row.updated_at) if trial.state.is_finished() else None
        yield trial


def _outcome(spec: StudySpec, item: TrialHistory) -> _Outcome:
    rungs = [each for each in item.rungs if each.rung <= spec.protocol.last_rung]
    state = _STATES.get(item.row.state, TrialState.RUNNING)
    searched = rungs[-1].searched if rungs else {}
    values = None
    if state is TrialState.COMPLETE:
        values = objective_values(objectives_of(spec), searched, item.row.cost)
    elif state is TrialState.PRUNED and searched and len(spec.objectives) == 1:
        # as Optuna itself does: the last intermediate value, where there is one objective
        values = (searched["score"],)
    constraints = margins(exact_metrics(item.row.cost) | searched, spec.constraints)
    if item.row.state is Ours.INFEASIBLE and all(value <= 0 for value in constraints.values()):
        constraints[UNTRAINABLE] = 1.0
    scores = {spec.protocol.rungs[each.rung].steps: each.searched["score"] for each in rungs}
    return _Outcome(state, values, scores, constraints)


def _attributes(item: TrialHistory) -> dict[str, Any]:
    """What there is of it; the names are those of the API."""
    row = item.row
    found = {
        "state": row.state.value,
        "summary": row.summary,
        "architecture": row.architecture_digest,
        REFERENCE: row.reference,
        DUPLICATE: row.twin,
        "reason": row.reason,
        "rung": row.rung,
        "score": row.score,
        "score_low": row.score_low,
        "score_high": row.score_high,
        "interval": row.interval,
        "n_replicas": row.n_replicas,
        "pareto": row.pareto,
        **exact_metrics(row.cost),
    }
    return {name: value for name, value in found.items() if value is not None}


def _local(moment: datetime) -> datetime:
    """Optuna's times have no zone and are this machine's."""
    return moment.astimezone().replace(tzinfo=None)


class _Distributions:
    """Of the genes of a space, one value for all trials with the same active genes."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._known: dict[tuple[str, ...], dict[str, BaseDistribution]] = {(): {}}

    def of(self, params: Params) -> dict[str, BaseDistribution]:
        active = tuple(params)
        if active not in self._known:
            trial = FixedTrial(params)
            self._space.suggest(trial)
            self._known[active] = trial.distributions
        return self._known[active]
