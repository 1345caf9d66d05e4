"""Evolution for several objectives under constraints: parents are those trials that together hold the most hypervolume.

Steady-state like SMS-EMOA (Beume et al. 2007): the best of everything told so far by feasibility, non-dominated front and exact
hypervolume, whatever its age. A child takes each gene from one of two such parents, or all from one, and one gene is changed:
the lesson of LFM2 (arXiv 2511.23404) is to rank architectures so by what they really cost.
"""

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from nas import samplers
from nas.sampling.breeder import Breeder, Child
from nas.sampling.memory import Memory, Told
from nas.sampling.neighbours import mutate
from nas.sampling.ranking import elite

CROSSED = 0.5
"""The share of children with two parents."""


def build(sampler: samplers.Hypervolume, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Random for the first `n_startup` told trials, then children of the best `population`."""
    return HypervolumeEvolution(n_startup=sampler.n_startup, population=sampler.population, seed=seed, memory=memory)


class HypervolumeEvolution(Breeder):
    """Children of the trials that hold the most hypervolume."""

    def __init__(
        self, *, n_startup: int = 10, population: int = 10, seed: int | None = None, memory: Memory | None = None
    ) -> None:
        super().__init__(seed=seed, memory=memory)
        self._n_startup, self._population = n_startup, population

    def breed(self, told: Told) -> Child | None:
        """A mutant of one parent, or of what two have in turn."""
        if len(told.settled) < max(self._n_startup, 2):
            return None
        one, other = (
            told.trials[number]
            for number in self._generator.choice(elite(told, self._population, self._generator), 2, replace=False)
        )
        if self._generator.random() < CROSSED:
            return self._cross(told, one, other)
        return Child(mutate(told, one.params, one.distributions, self._generator), one.distributions)

    def _cross(self, told: Told, one: FrozenTrial, other: FrozenTrial) -> Child:
        """Each gene from a parent that has it, either of two equally likely; what changes is one that both have.

        So it is one that the child will have, too: of the others it asks only for those that its own choices bring into action.
        """
        params, distributions = one.params | other.params, one.distributions | other.distributions
        shared = [name for name in one.params if name in other.params]
        from_one = self._generator.random(len(shared)) < 0.5
        params |= {name: one.params[name] for name, chosen in zip(shared, from_one, strict=True) if chosen}
        return Child(mutate(told, params, distributions, self._generator, among=shared), distributions)
