"""Every assignment of the genes once, in a random order; when all are known, it begins again.

What a gene's values lead to is known only from trials. So the tree of their decisions is walked down while a trial is asked,
past branches in which everything has been tried.
"""

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from nas import samplers
from nas.sampling.grid import count, value_at
from nas.sampling.memory import Memory


def build(_: samplers.Exhaustive, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Each assignment once, in an order that the seeds decide."""
    return Exhaustive(seed=seed, memory=memory)


class Exhaustive(BaseSampler):
    """Values of which some continuation is untried, each as likely; real intervals at random."""

    def __init__(self, *, seed: int | None = None, memory: Memory | None = None) -> None:
        self._generator = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed)
        self._memory = memory or Memory()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: each gene is decided after those before it."""
        self._memory.tree.read(study.get_trials(deepcopy=False)[: trial.number])
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value after which something is left to try."""
        n_values = count(param_distribution)
        if n_values is None:
            return self._random.sample_independent(study, trial, param_name, param_distribution)
        node = self._memory.tree.after(trial.params)
        values = [value_at(param_distribution, place) for place in self._generator.permutation(n_values).tolist()]
        known = node.children if node else {}
        return next((value for value in values if value not in known or not known[value].done), values[0])

    def reseed_rng(self) -> None:
        """For a study that runs in threads."""
        self._generator = np.random.default_rng()
        self._random.reseed_rng()
