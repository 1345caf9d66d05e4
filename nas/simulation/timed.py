"""A sampler that measures how long another one takes: to be made, and to decide every gene of a proposal."""

import time
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

Distributions = dict[str, BaseDistribution]


class AskTimes:
    """Seconds of each ask so far."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def build(self, build: Callable[[], BaseSampler]) -> BaseSampler:
        """The sampler of the next ask."""
        began = time.perf_counter()
        sampler = build()
        self.seconds.append(time.perf_counter() - began)
        return _Timed(sampler, self.seconds)


class _Timed(BaseSampler):
    """Adds what each call takes to the last entry of `seconds`."""

    def __init__(self, sampler: BaseSampler, seconds: list[float]) -> None:
        self._sampler, self._seconds = sampler, seconds

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        found = method(*arguments)
        self._seconds[-1] += time.perf_counter() - began
        return found

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._call(self._sampler.before_trial, study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        """The other's."""
        found: Distributions = self._call(self._sampler.infer_relative_search_space, study, trial)
        return found

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Distributions) -> dict[str, Any]:
        """The other's."""
        found: dict[str, Any] = self._call(self._sampler.sample_relative, study, trial, search_space)
        return found

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The other's."""
        return self._call(self._sampler.sample_independent, study, trial, param_name, param_distribution)
