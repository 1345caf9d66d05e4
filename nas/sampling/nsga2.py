"""NSGA-II (Deb et al. 2002), steady-state: the best by non-dominated rank and crowding distance have children."""

import numpy as np
from optuna.samplers import BaseSampler, NSGAIISampler

from nas import samplers
from nas.sampling.memory import Memory
from nas.sampling.steady_state import SteadyState


def build(sampler: samplers.NSGA2, seed: int, _: Memory | None = None) -> BaseSampler:
    """Random until `population` trials have been told, then children of the best."""
    return SteadyStateNSGA2(population=sampler.population, seed=seed)


class SteadyStateNSGA2(SteadyState, NSGAIISampler):
    """Optuna's selection of parents, from everything told so far."""

    def __init__(self, *, population: int = 20, seed: int | None = None) -> None:
        NSGAIISampler.__init__(self, population_size=population, seed=seed)
        self._generator = np.random.default_rng(seed)
