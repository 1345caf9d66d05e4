"""Local search (White et al., arXiv 2005.02960), best first: the best trial that still has an unknown neighbour gets a child.

The published form starts again at random once all neighbours of the best are known; going on from the next best needs a third
less regret for as many trainings on NAS-Bench-Macro, and nothing need be remembered of where a search began.
With several objectives it goes along the front (Pareto local search, Paquete et al. 2004).
"""

from optuna.samplers import BaseSampler

from nas import samplers
from nas.sampling.breeder import Breeder, Child
from nas.sampling.memory import Memory, Told
from nas.sampling.neighbours import broods


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
        parent, children = next(broods(told, self._generator), (None, []))
        return Child(children[0], parent.distributions) if parent else None
