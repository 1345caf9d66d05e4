"""Random search: the baseline every other sampler has to beat at the same cost (arXiv 1902.07638)."""

from functools import cached_property
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


class Uniform(BaseSampler):
    """Optuna's, without the arrays that it passes every single value through: a place among a gene's values is drawn."""

    def __init__(self, *, seed: int | None = None) -> None:
        self._seed, self._places = seed, Random(seed)

    @cached_property
    def _optuna(self) -> RandomSampler:
        # its generator takes longer to seed than a whole proposal of listed values takes, and these do not need it
        return RandomSampler(seed=self._seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """No gene depends on another."""
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value; from a real interval or a logarithmic one as Optuna does."""
        n_values = count(param_distribution)
        if n_values is None or (isinstance(param_distribution, IntDistribution) and param_distribution.log):
            return self._optuna.sample_independent(study, trial, param_name, param_distribution)
        return value_at(param_distribution, self._places.randrange(n_values))

    def reseed_rng(self) -> None:
        """For a study that runs in threads."""
        self._places = Random()
        self._optuna.reseed_rng()
