"""A Gaussian process with expected improvement, Optuna's own. It loads torch when it first proposes, so only in a driver.

Genes that not every trial has are drawn at random, since the process needs one space for all.
"""

from optuna.samplers import BaseSampler, GPSampler

from nas import samplers
from nas.sampling.memory import Memory


def build(sampler: samplers.GP, seed: int, _: Memory | None = None) -> BaseSampler:
    """Random for the first `n_startup` told trials, then by the process."""
    return GPSampler(n_startup_trials=sampler.n_startup, seed=seed)
