"""A model says which untried neighbour of the best trials to train next (the idea of BANANAS, arXiv 1910.11858).

The model is ridge regression, additive over genes and refitted for each proposal: one number for each value of a gene, which a
few dozen trainings tell. Most of what BANANAS gains was found to come from looking among small changes of the best (arXiv
2107.07343); that also keeps the model near what it has seen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler

from nas import samplers
from nas.sampling.breeder import Breeder, Child
from nas.sampling.memory import INACTIVE, Array, Memory, Numbers, Told
from nas.sampling.neighbours import broods

RIDGE: Final = 1.0
"""Worth one more trial with each value, of a mean score. From 0.1 to 5 the regret on NAS-Bench-Macro hardly changes."""
MAX_FITTED: Final = 1000
"""The youngest feasible trials: the search has left the others behind, and a proposal takes no longer in a long study."""


def build(sampler: samplers.ModelGuided, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Random for the first `n_startup` told trials, then what the model expects most of."""
    return ModelGuided(n_startup=sampler.n_startup, parents=sampler.parents, seed=seed, memory=memory)


class ModelGuided(Breeder):
    """The most promising untried neighbour of the `parents` best trials."""

    def __init__(self, *, n_startup: int = 20, parents: int = 5, seed: int | None = None, memory: Memory | None = None) -> None:
        super().__init__(seed=seed, memory=memory)
        self._n_startup, self._parents = n_startup, parents

    def breed(self, told: Told) -> Child | None:
        """While nothing keeps the constraints, a neighbour of what breaks them least. None when all neighbours were tried."""
        if len(told.settled) < self._n_startup:
            return None
        families = list(islice(broods(told, self._generator), self._parents))
        children = [
            Child(params, parent.distributions)
            for parent, brood in families
            for params in brood
            if told.violation[parent.number] == 0
        ]
        if children:
            model = Additive.fit(told, told.feasible[-MAX_FITTED:])
            return children[int(np.argmin(self._weighed(model.losses([child.params for child in children]))))]
        return Child(families[0][1][0], families[0][0].distributions) if families else None

    def _weighed(self, losses: Array) -> Array:
        """One number for several objectives: the worst of them in weights drawn anew, as in ParEGO (Knowles 2006)."""
        weighed = losses * self._generator.dirichlet(np.ones(losses.shape[1]))
        return np.asarray(weighed.max(axis=1) + 0.05 * weighed.sum(axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Additive:
    """Losses as shares of their range, by ridge regression. effects: of each gene, (columns, objectives)."""

    mean: Array
    distributions: Mapping[str, BaseDistribution]
    effects: Mapping[str, Array]

    @classmethod
    def fit(cls, told: Told, numbers: Numbers) -> Self:
        """On the trials of these numbers."""
        distributions: dict[str, BaseDistribution] = {}
        for number in numbers.tolist():
            distributions.update(told.trials[number].distributions)
        blocks = {name: _columns(told, numbers, name, distribution) for name, distribution in distributions.items()}
        design = np.concatenate([np.zeros((len(numbers), 0)), *blocks.values()], axis=1)
        losses = np.nan_to_num(told.losses[numbers])
        scaled = (losses - losses.min(axis=0)) / np.maximum(np.ptp(losses, axis=0), 1e-300)
        mean, centre = scaled.mean(axis=0), design.mean(axis=0)
        gram = (design - centre).T @ (design - centre) + RIDGE * np.eye(design.shape[1])
        weights = np.linalg.solve(gram, (design - centre).T @ (scaled - mean))
        ends = np.cumsum([block.shape[1] for block in blocks.values()])
        return cls(mean - centre @ weights, distributions, dict(zip(blocks, np.split(weights, ends), strict=False)))

    def losses(self, params: Sequence[Mapping[str, Any]]) -> Array:
        """What to expect of assignments, (assignments, objectives); nothing of genes that no fitted trial has."""
        effects: dict[tuple[str, Any], Array] = {}
        known = {decision for each in params for decision in each.items() if decision[0] in self.effects}
        for name, value in known:
            effects[name, value] = np.asarray(_encoded(self.distributions[name], value)) @ self.effects[name]
        return np.stack([self.mean + sum(effects.get(it, 0.0) for it in each.items()) for each in params])


def _columns(told: Told, numbers: Numbers, name: str, distribution: BaseDistribution) -> Array:
    """A gene's columns of the design, (trials, columns); zeros where a trial does not have it."""
    codes = told.codes[name][numbers]
    rows = [_encoded(distribution, value) for value in told.values[name]]
    return np.where((codes != INACTIVE)[:, None], np.asarray(rows)[np.maximum(codes, 0)], 0.0)


def _encoded(distribution: BaseDistribution, value: Any) -> list[float]:
    """A choice by its indicator; a number, also beyond the distribution's range, by a parabola over that."""
    if isinstance(distribution, CategoricalDistribution):
        return [float(choice == value) for choice in distribution.choices]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    scale = math.log if distribution.log else float
    low, high = scale(distribution.low), scale(distribution.high)
    place = (scale(value) - low) / (high - low) if high > low else 0.0
    return [1.0, place, place**2]
