"""NSGA-III (Deb and Jain 2014), steady-state: a front that does not fit is thinned by reference directions."""

import warnings

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler

from nas import samplers
from nas.sampling.memory import Memory
from nas.sampling.steady_state import SteadyState


def build(sampler: samplers.NSGA3, seed: int, _: Memory | None = None) -> BaseSampler:
    """Random until `population` trials have been told, then children of the best."""
    return SteadyStateNSGA3(population=sampler.population, seed=seed)


class SteadyStateNSGA3(SteadyState, NSGAIIISampler):
    """Optuna's selection of parents, from everything told so far."""

    def __init__(self, *, population: int = 20, seed: int | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            NSGAIIISampler.__init__(self, population_size=population, seed=seed)
        self._generator = np.random.default_rng(seed)
