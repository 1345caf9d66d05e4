"""Optuna's own importances of genes (PED-ANOVA, arXiv 2304.10255), to stand beside ours.

They say which genes tell the best tenth of the trials from the rest, and sum to 1; they have no intervals.
"""

from collections.abc import Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FixedTrial, TrialState, create_trial

from nas.trial import Params
from search_spaces.space import Space

MIN_TRIALS = 5


def optuna_study(space: Space, params: Sequence[Params], scores: Sequence[float]) -> optuna.Study:
    """An Optuna study in memory with these finished trials, for any of its tools."""
    study = optuna.create_study(direction="maximize")
    for values, score in zip(params, scores, strict=True):
        trial = FixedTrial(values)
        if values:
            space.suggest(trial)
        study.add_trial(
            create_trial(state=TrialState.COMPLETE, params=values, distributions=trial.distributions, value=float(score))
        )
    return study


def optuna_importances(space: Space, params: Sequence[Params], scores: Sequence[float]) -> dict[str, float]:
    """Of each gene, largest first. Empty with too few trials, or when all scores are equal."""
    if len(params) < MIN_TRIALS or len(set(scores)) < 2 or not any(params):
        return {}
    return get_param_importances(optuna_study(space, params, scores), evaluator=PedAnovaImportanceEvaluator())
