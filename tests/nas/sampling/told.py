"""Plain Optuna studies for tests of samplers."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import optuna
from optuna import Study
from optuna.samplers import BaseSampler

from search_spaces.space import Space


def run(space: Space, sampler: BaseSampler, n_trials: int, values: Callable[[dict[str, Any]], Sequence[float]]) -> Study:
    """Ask and tell, one after the other; the more objectives, the more values."""
    n_objectives = len(values(space.sample(Random(0))))
    study = optuna.create_study(directions=["maximize"] * n_objectives, sampler=sampler)
    for _ in range(n_trials):
        trial = study.ask()
        study.tell(trial, values(space.suggest(trial)))
    return study
