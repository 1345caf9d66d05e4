"""Optuna's genetic samplers without generations, and aware of conditional genes.

The parents of every child are the best `population` trials told so far. Nothing waits for a generation to end, and the proposal
depends on the told trials alone, not on when they were told. Optuna's own form crosses only the genes that every trial has;
here a gene that both, one or neither parent has is inherited from a parent that has it, and drawn afresh where it turns out to
be active without one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseGASampler
from optuna.trial import FrozenTrial, TrialState

Distributions = dict[str, BaseDistribution]


class SteadyState(BaseGASampler):
    """Uniform crossover of two parents, then each gene is drawn afresh with probability 1 / genes; base before Optuna's."""

    _generator: np.random.Generator
    _parents: Sequence[FrozenTrial] = ()

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Everything that has been scored, whenever that was."""
        return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Nobody besides: the population is never forgotten, so parents need not be carried along."""
        return []

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        """All genes that some parent has; none while there are too few parents."""
        if len(self.get_population(study, 0)) < (self.population_size or 2):
            return {}
        self._parents = self.select_parent(study, 1)
        union = {name: found for parent in self._parents for name, found in parent.distributions.items()}
        return dict(sorted(union.items()))

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Distributions) -> dict[str, Any]:
        """The child's genes; those left out are drawn afresh if they turn out to be active."""
        if not search_space:
            return {}
        pair = self._generator.choice(len(self._parents), size=2, replace=False)
        first, second = (self._parents[index].params for index in pair)
        inherited = {name: self._inherit(name, first, second) for name in search_space if name in first or name in second}
        mutates = self._generator.random(len(inherited)) < 1 / max(1, len(inherited))
        return {name: value for (name, value), fresh in zip(inherited.items(), mutates, strict=True) if not fresh}

    def _inherit(self, name: str, first: dict[str, Any], second: dict[str, Any]) -> Any:
        from_first = self._generator.random() < 0.5
        ordered = (first, second) if from_first else (second, first)
        return next(params[name] for params in ordered if name in params)
