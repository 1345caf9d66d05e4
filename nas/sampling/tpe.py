"""The tree-structured Parzen estimator, multivariate (arXiv 2304.11127), over groups of genes that are active together.

Infeasible proposals count as the worst trials, runs in flight as bad ones, so that workers do not all try the same place. A
proposal takes time for every trial that the estimator is shown. It calls the best tenth good, at most 25 with one objective,
and weighs the others less the older they are; so a long study shows it the best tenth of a window and the youngest besides.
"""

import warnings
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from nas import samplers
from nas.sampling.limited import Limited
from nas.sampling.memory import Memory
from nas.sampling.ranking import best_first

WINDOW: Final = 500
"""Trials with a verdict that the estimator is shown. A study this long proposes as if there were no window."""


def build(sampler: samplers.TPE, seed: int, memory: Memory | None = None) -> BaseSampler:
    """Random for the first `n_startup` told trials, then by the estimator."""
    return WindowedTPE(n_startup=sampler.n_startup, seed=seed, memory=memory)


class WindowedTPE(BaseSampler):
    """Optuna's estimator, on some of a study's trials."""

    def __init__(
        self, *, n_startup: int = 10, window: int = WINDOW, seed: int | None = None, memory: Memory | None = None
    ) -> None:
        self._window, self._memory = max(window, n_startup), memory or Memory()
        self._generator = np.random.default_rng(seed)
        with warnings.catch_warnings():
            # without groups, conditional genes would be sampled one by one, blind to each other
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._estimator = TPESampler(
                n_startup_trials=n_startup, multivariate=True, group=True, constant_liar=True, seed=seed
            )
        self._shown: dict[int, Study] = {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All groups of genes."""
        shown = self._shown[trial.number] = self._limited(study)
        return self._estimator.infer_relative_search_space(shown, trial)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Values for all groups."""
        return self._estimator.sample_relative(self._shown.get(trial.number, study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A value for a gene that no trial has yet."""
        shown = self._shown.get(trial.number, study)
        return self._estimator.sample_independent(shown, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """The trial asks no more."""
        self._shown.pop(trial.number, None)

    def reseed_rng(self) -> None:
        """For a study that runs in threads."""
        self._estimator.reseed_rng()

    def _limited(self, study: Study) -> Study:
        told = self._memory.look(study)
        settled = told.settled
        if len(settled) <= self._window:
            return study
        best = list(islice(best_first(told, self._generator), self._window // 10))
        youngest = settled[len(best) - self._window :]
        running = [trial.number for trial in told.trials if trial.state is TrialState.RUNNING][-self._window :]
        return Limited(study, [told.trials[number] for number in sorted({*best, *youngest.tolist(), *running})])
