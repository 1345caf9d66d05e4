"""The tree-structured Parzen estimator, multivariate (arXiv 2304.11127), over groups of genes that are active together.

Infeasible proposals count as the worst trials, runs in flight as bad ones, so that workers do not all try the same place.
"""

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler

from nas.study import Sampler


def build(sampler: Sampler, seed: int) -> BaseSampler:
    """Random for the first `n_startup` told trials, then by the estimator."""
    with warnings.catch_warnings():
        # without groups, conditional genes would be sampled one by one, blind to each other
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(n_startup_trials=sampler.n_startup, multivariate=True, group=True, constant_liar=True, seed=seed)
