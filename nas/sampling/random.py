"""Random search: the baseline every other sampler has to beat at the same cost (arXiv 1902.07638)."""

from random import Random
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from nas import samplers
from nas.sampling.grid import count, value_at
from nas.sampling.memory import Memory


def build(_: samplers.RandomSearch, seed: int, __: Memory | None = None) -> BaseSampler:
    """Every gene uniformly over its values, whatever came before."""
    return Uniform(seed=seed)


class Uniform(RandomSampler):
    """Optuna's, without the arrays that it passes every single value through: a place among a gene's values is drawn."""

    def __init__(self, *, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self._places = Random(seed)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value; from a real interval or a logarithmic one as Optuna does."""
        n_values = count(param_distribution)
        if n_values is None or (isinstance(param_distribution, IntDistribution) and param_distribution.log):
            return super().sample_independent(study, trial, param_name, param_distribution)
        return value_at(param_distribution, self._places.randrange(n_values))

    def reseed_rng(self) -> None:
        """For a study that runs in threads."""
        super().reseed_rng()
        self._places = Random()
