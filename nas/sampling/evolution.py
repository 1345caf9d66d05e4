"""Regularised evolution (Real et al., arXiv 1802.01548): old trials die whether they are good or not.

The parent is the best of a random sample of the youngest trials, and the child differs from it in one gene. What breaks a
constraint costs no training, so it does not make others die: the population is the youngest that keep the constraints, and
those that break them least only while there are too few. Age is the trial's number, not the moment of its result.
"""

import numpy as np
from optuna.samplers import BaseSampler

from nas import samplers
from nas.sampling.breeder import Breeder, Child
from nas.sampling.memory import Memory, Numbers, Told
from nas.sampling.neighbours import mutate
from nas.sampling.ranking import best_of


def build(sampler: samplers.Evolution, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Random until there are as many trials as a sample holds, then children of the best of samples."""
    return RegularisedEvolution(population=sampler.population, sample=sampler.sample, seed=seed, memory=memory)


class RegularisedEvolution(Breeder):
    """One-gene mutations of tournament winners, past what is known already."""

    def __init__(
        self, *, population: int = 20, sample: int = 10, seed: int | None = None, memory: Memory | None = None
    ) -> None:
        super().__init__(seed=seed, memory=memory)
        self._population, self._sample = population, sample

    def breed(self, told: Told) -> Child | None:
        """A mutant of the best of a sample."""
        population = youngest(told, self._population)
        if len(population) < self._sample:
            return None
        sample = self._generator.choice(population, size=self._sample, replace=False)
        parent = told.trials[best_of(told, sample, self._generator)]
        params = mutate(told, parent.params, parent.distributions, self._generator)
        return Child(params, parent.distributions)


def youngest(told: Told, size: int) -> Numbers:
    """The last so many feasible trials; where there are fewer, those that break constraints least besides."""
    feasible = told.feasible[-size:]
    broken = np.flatnonzero(told.violation > 0)
    least = broken[np.argsort(told.violation[broken], kind="stable")][: size - len(feasible)]
    return np.concatenate([feasible, least])
