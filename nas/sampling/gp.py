"""A Gaussian process with expected improvement, Optuna's own. It loads torch when it first proposes, so only in a driver.

Genes that not every trial has are drawn at random, since the process needs one space for all. It takes the cube of the trials
that it is shown, so it sees equal ones once. It has not seen what broke a constraint, and may expect most of what is known:
then a neighbour of that is taken which nobody has tried.
"""

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler
from optuna.trial import FrozenTrial, TrialState

from nas import samplers
from nas.sampling.limited import Limited
from nas.sampling.memory import Memory, Told
from nas.sampling.neighbours import mutate


def build(sampler: samplers.GP, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Random for the first `n_startup` scored trials, then by the process."""
    return DistinctGP(n_startup=sampler.n_startup, seed=seed, memory=memory)


class DistinctGP(GPSampler):
    """Optuna's process on different params, which proposes none that are known while there are others nearby."""

    def __init__(self, *, n_startup: int = 10, seed: int | None = None, memory: Memory | None = None) -> None:
        super().__init__(n_startup_trials=1, seed=seed)
        self._n_startup = n_startup
        self._memory = memory or Memory()
        self._generator = np.random.default_rng(seed)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Values for the genes that all trials have."""
        told = self._memory.look(study)
        # equal ones count: a space may have fewer different ones
        if sum(trial.state is TrialState.COMPLETE for trial in told.trials) < self._n_startup:
            return {}
        found = super().sample_relative(Limited(study, distinct(told)), trial, search_space)
        known = _known(told, found) if found else None
        if known is None:
            return found
        child = mutate(told, known.params, known.distributions, self._generator, among=list(search_space))
        return {name: child[name] for name in search_space}

    def reseed_rng(self) -> None:
        """For a study that runs in threads."""
        super().reseed_rng()
        self._generator = np.random.default_rng()


def distinct(told: Told) -> list[FrozenTrial]:
    """The first trial with each params among the scored ones, and then of those that run with others."""
    firsts: dict[frozenset[tuple[str, Any]], FrozenTrial] = {}
    for state in (TrialState.COMPLETE, TrialState.RUNNING):
        for trial in told.trials:
            if trial.state is state:
                firsts.setdefault(frozenset(trial.params.items()), trial)
    return list(firsts.values())


def _known(told: Told, params: dict[str, Any]) -> FrozenTrial | None:
    """The first trial with these genes and no other that has a choice, whatever became of it."""
    for trial in told.trials:
        free = [name for name, distribution in trial.distributions.items() if not distribution.single()]
        if len(free) == len(params) and params.items() <= trial.params.items():
            return trial
    return None
