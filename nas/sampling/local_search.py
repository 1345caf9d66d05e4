"""Local search (White et al., arXiv 2005.02960), best first: the best trial that still has an unknown neighbour gets a child.

The published form starts again at random once all neighbours of the best are known; going on from the next best needs a third
less regret for as many trainings on NAS-Bench-Macro, and nothing need be remembered of where a search began.
With several objectives it goes along the front (Pareto local search, Paquete et al. 2004).
"""

import numpy as np
from optuna.samplers import BaseSampler

from nas import samplers
from nas.sampling.breeder import Breeder, Child
from nas.sampling.memory import Memory, Told
from nas.sampling.neighbours import listed, untried
from nas.sampling.ranking import best_first


def build(sampler: samplers.LocalSearch, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Random for the first `n_startup` told trials, then neighbours of the best."""
    return LocalSearch(n_startup=sampler.n_startup, seed=seed, memory=memory)


class LocalSearch(Breeder):
    """Unknown neighbours of the best trial, in a random order, then of the next best."""

    def __init__(self, *, n_startup: int = 10, seed: int | None = None, memory: Memory | None = None) -> None:
        super().__init__(seed=seed, memory=memory)
        self._n_startup = n_startup

    def breed(self, told: Told) -> Child | None:
        """None also when every neighbour of every trial is known."""
        if len(told.settled) < self._n_startup:
            return None
        draw = int(self._generator.integers(2**32))
        for number in best_first(told, self._generator):
            if number in told.spent:
                continue
            parent = told.trials[number]
            # of its own, so that what is drawn does not depend on which trials were noted as spent before
            for params in untried(told, parent, np.random.default_rng([draw, number])):
                return Child(params, parent.distributions)
            if listed(parent.distributions):
                told.spent.add(number)
        return None
