"""Optuna's own suite for samplers: floats, log ranges, spaces that change, threads, several objectives."""

from collections.abc import Callable
from functools import partial

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase

from nas.sampling.evolution import RegularisedEvolution
from nas.sampling.exhaustive import Exhaustive
from nas.sampling.gp import DistinctGP
from nas.sampling.hypervolume import HypervolumeEvolution
from nas.sampling.local_search import LocalSearch
from nas.sampling.model_guided import ModelGuided
from nas.sampling.nsga2 import SteadyStateNSGA2
from nas.sampling.nsga3 import SteadyStateNSGA3
from nas.sampling.random import Uniform
from nas.sampling.tpe import WindowedTPE

Make = Callable[[], BaseSampler]

# so little is random at the start that the suite's short studies get proposals of their own
RELATIVE: dict[str, Make] = {
    "evolution": partial(RegularisedEvolution, population=3, sample=2, seed=0),
    "local_search": partial(LocalSearch, n_startup=1, seed=0),
    "model_guided": partial(ModelGuided, n_startup=2, seed=0),
    "hypervolume": partial(HypervolumeEvolution, n_startup=2, population=2, seed=0),
    "gp": partial(DistinctGP, n_startup=1, seed=0),
}
OTHERS: dict[str, Make] = {
    "random": partial(Uniform, seed=0),
    "tpe": partial(WindowedTPE, n_startup=2, window=4, seed=0),
    "nsga2": partial(SteadyStateNSGA2, population=2, seed=0),
    "nsga3": partial(SteadyStateNSGA3, population=2, seed=0),
    "exhaustive": partial(Exhaustive, seed=0),
}


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


class TestRelative(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """They propose all genes that trials have in common at once."""

    @pytest.fixture(params=RELATIVE)
    def sampler(self, request: pytest.FixtureRequest) -> Make:
        return RELATIVE[request.param]


class TestOthers(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    """They propose gene by gene, or nothing while too little is told: no relative proposals on demand."""

    @pytest.fixture(params=OTHERS)
    def sampler(self, request: pytest.FixtureRequest) -> Make:
        return OTHERS[request.param]
