"""What our own samplers share: a child of told trials, as Optuna wants it. Genes that it does not inherit are drawn at random.

So a conditional gene that a mutation brings into action is drawn afresh, and one that it puts out of action is never asked for.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from nas.sampling.memory import Memory, Told


@dataclass(frozen=True, slots=True)
class Child:
    """Values for genes, and the distributions they come from."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]


class Breeder(BaseSampler):
    """A sampler whose proposals are children of told trials; a subclass says which."""

    def __init__(self, *, seed: int | None, memory: Memory | None) -> None:
        self._generator = np.random.default_rng(seed)
        self._random = RandomSampler(seed=seed)
        self._memory = memory or Memory()
        self._children: dict[int, Child] = {}

    @abstractmethod
    def breed(self, told: Told) -> Child | None:
        """The next child; None while too little is told, so that the proposal is random."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The genes of the child."""
        child = self.breed(self._memory.look(study))
        if child is None:
            return {}
        self._children[trial.number] = child
        return child.distributions

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """The child's values."""
        child = self._children.pop(trial.number, None)
        inherited = child.params if child else {}
        return {
            name: inherited[name] if name in inherited else self.sample_independent(study, trial, name, distribution)
            for name, distribution in search_space.items()
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A gene that no parent has."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """For a study that runs in threads."""
        self._generator = np.random.default_rng()
        self._random.reseed_rng()
