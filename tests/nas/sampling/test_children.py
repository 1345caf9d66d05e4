"""Children of conditional spaces: always members, one change away from a parent, and in the end every member there is."""

from collections.abc import Callable
from functools import partial
from random import Random

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FixedTrial

from nas.sampling.evolution import RegularisedEvolution
from nas.sampling.exhaustive import Exhaustive
from nas.sampling.hypervolume import HypervolumeEvolution
from nas.sampling.local_search import LocalSearch
from nas.sampling.memory import Memory
from nas.sampling.model_guided import ModelGuided
from nas.sampling.neighbours import mutate, neighbours, other_values
from nas.sampling.nsga2 import SteadyStateNSGA2
from nas.sampling.nsga3 import SteadyStateNSGA3
from search_spaces.allowed import Range
from search_spaces.presets import PRESETS
from search_spaces.space import Space
from tests.nas.sampling.told import run
from tests.search_spaces.drawn import enumerate_params, spaces

MICRO = Space(
    name="micro",
    mode="micro",
    genes={
        "d_model": (32, 64),
        "depth": (2, 3),
        "layer*.mixer": ("attention", "mamba2", "short_conv"),
        "layer*.channel": ("none", "dense", "moe"),
        "n_kv_heads": (1, 2),
        "state_size": (8, 16),
        "n_experts": (2, 4),
        "ffn_ratio": (1.0, 2.0),
    },
)
SPACES = {name: make() for name, make in PRESETS.items()} | {"micro": MICRO}
SMALL = Space(
    name="small",
    genes={
        "d_model": (32,),
        "depth": (2,),
        "attention_ratio": (0.0, 0.5, 1.0),
        "linear_mixer": ("short_conv", "mamba2"),
        "n_kv_heads": (1, 2),
        "state_size": Range(low=8, high=16, step=8),
        "channel": ("none", "dense"),
    },
)
"""Conditional: a ratio of 0 has no heads of attention, a ratio of 1 no linear mixer, and short_conv no state."""

MIXERS = ("mamba2", "retnet", "gla", "deltanet", "gated_deltanet", "kda", "rwkv7", "short_conv")
"""Those of `hybrid_ratio`."""
BREEDERS: dict[str, Callable[..., BaseSampler]] = {
    "evolution": partial(RegularisedEvolution, population=6, sample=3),
    "local_search": partial(LocalSearch, n_startup=3),
    "model_guided": partial(ModelGuided, n_startup=3),
    "hypervolume": partial(HypervolumeEvolution, n_startup=3, population=4),
}
MEMBERS = BREEDERS | {
    "nsga2": partial(SteadyStateNSGA2, population=4),
    "nsga3": partial(SteadyStateNSGA3, population=4),
}


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def decided(space, params):
    trial = FixedTrial(params)
    space.suggest(trial)
    return trial.distributions


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("breeder", MEMBERS)
def test_children_never_leave_the_space(name, breeder):
    space, rng = SPACES[name], Random(0)
    study = run(space, MEMBERS[breeder](seed=1), 14, lambda _: [rng.random(), rng.random()])
    assert all(space.contains(trial.params) for trial in study.trials)


@pytest.mark.parametrize("name", SPACES)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_mutant_differs_from_its_parent_in_one_gene_that_both_have(name, seed):
    space = SPACES[name]
    parent = space.sample(Random(seed))
    study = optuna.create_study()
    study.add_trial(optuna.create_trial(params=parent, distributions=decided(space, parent), value=0.0))
    sampler = LocalSearch(n_startup=1, seed=seed)
    study.sampler = sampler
    child = space.suggest(study.ask())
    assert space.contains(child)
    assert sum(child[gene] != parent[gene] for gene in child.keys() & parent.keys()) == 1


@pytest.mark.parametrize("breeder", BREEDERS)
@pytest.mark.parametrize("values", [lambda _: [1.0], lambda params: [float(len(params)), -float(len(params))]])
def test_children_reach_every_member(breeder, values):
    """Also where all are as good, and where one corner is better: none is out of reach."""
    study = run(SMALL, BREEDERS[breeder](seed=0), 8 * SMALL.size(), values)
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == SMALL.size()


@pytest.mark.parametrize("breeder", BREEDERS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(space=spaces(most_genes=6, most_values=3), seed=st.integers(0, 2**32 - 1))
def test_children_of_any_small_space_are_members_and_reach_all_of_it(breeder, space, seed):
    assume(6 <= space.size() <= 36)
    rng = Random(seed)
    study = run(space, BREEDERS[breeder](seed=seed), 10 * space.size(), lambda _: [rng.random(), rng.random()])
    proposed = {tuple(sorted(trial.params.items())) for trial in study.trials}
    assert proposed == {tuple(sorted(params.items())) for params in enumerate_params(space)}


@pytest.mark.parametrize("breeder", BREEDERS)
def test_few_children_are_known_already(breeder):
    rng = Random(0)
    study = run(PRESETS["hybrid_ratio"](), BREEDERS[breeder](seed=3), 120, lambda _: [rng.random()])
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) > 114


@pytest.mark.parametrize("breeder", BREEDERS)
def test_children_keep_to_what_keeps_the_constraints(breeder):
    """Feasible before infeasible, whatever the values; and while none is feasible, towards those that break least."""
    space = PRESETS["hybrid_ratio"]()
    study, kept = optuna.create_study(direction="maximize", sampler=BREEDERS[breeder](seed=0)), []
    for _ in range(150):
        trial = study.ask()
        broken = MIXERS.index(space.suggest(trial).get("linear_mixer", MIXERS[-1]))
        kept.append(broken == 0)
        trial.set_constraint("mixer", broken)
        study.tell(trial, broken)
    assert kept[100:].count(True) > 3 * 50 / 8, "chance gives an eighth"


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (CategoricalDistribution(["a", 1, None, 2.5, False]), None),
        (IntDistribution(3, 9, step=3), 6),
        (IntDistribution(1, 40, log=True), 1),
        (FloatDistribution(-1.0, 1.0, step=0.25), 0.5),
    ],
)
def test_other_values_are_all_but_ones_own(distribution, value):
    others = other_values(distribution, value, np.random.default_rng(0))
    if isinstance(distribution, CategoricalDistribution):
        expected = [choice for choice in distribution.choices if choice is not value]
    else:
        n_steps = round((distribution.high - distribution.low) / distribution.step)
        grid = [distribution.low + place * distribution.step for place in range(n_steps + 1)]
        expected = [number for number in grid if number != value]
    assert sorted(others, key=repr) == sorted(expected, key=repr)
    assert {type(other) for other in others} == {type(other) for other in expected}


@pytest.mark.parametrize(
    "distribution",
    [
        IntDistribution(1, 10**6),
        IntDistribution(1, 10**6, log=True),
        FloatDistribution(0.0, 1.0),
        FloatDistribution(1e-7, 1.0, log=True),
        FloatDistribution(0.0, 100.0, step=0.5),
    ],
)
def test_other_values_of_many_are_some_of_all_sizes(distribution):
    others = other_values(distribution, distribution.high, np.random.default_rng(0))
    assert len(set(others)) == len(others) > 30
    assert all(distribution._contains(other) for other in others)
    middle = np.sqrt(distribution.low * distribution.high) if distribution.log else distribution.high / 2
    assert 0.3 < np.mean(np.array(others) < middle) < 0.7


def test_a_gene_with_one_value_has_no_neighbours():
    params, distributions = {"x": 1, "y": 0}, {"x": CategoricalDistribution([1]), "y": IntDistribution(0, 1)}
    assert list(neighbours(params, distributions, np.random.default_rng(0))) == [("y", 1)]
    told = Memory().look(optuna.create_study())
    assert mutate(told, {"x": 1}, distributions, np.random.default_rng(0)) == {"x": 1}


@pytest.mark.parametrize("space", [SMALL, MICRO], ids=["macro", "micro"])
def test_exhaustive_search_proposes_each_member_once_in_another_order_each_seed(space):
    n_trials = min(space.size(), 300)
    orders = []
    for seed in (0, 1):
        trials = run(space, Exhaustive(seed=seed), n_trials, lambda _: [0.0]).trials
        orders.append([tuple(sorted(trial.params.items())) for trial in trials])
        assert len(set(orders[-1])) == n_trials
    assert orders[0] != orders[1]


def test_exhaustive_search_begins_again():
    study = run(SMALL, Exhaustive(seed=0), SMALL.size() + 5, lambda _: [0.0])
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == SMALL.size()


def test_exhaustive_search_skips_what_runs_and_learns_that_it_was_not_done():
    """In threads, a trial is seen while it is still asked; what comes after its first genes is not lost."""
    space: dict[str, BaseDistribution] = {"x": IntDistribution(0, 1), "y": IntDistribution(0, 1)}
    study = optuna.create_study(sampler=Exhaustive(seed=0))
    early = study.ask()
    early.suggest_int("x", 0, 1)
    others = [study.ask(space).params for _ in range(2)]
    early.suggest_int("y", 0, 1)
    last = study.ask(space)
    everything = [early.params, *others, last.params]
    assert len({tuple(params.items()) for params in everything}) == 4
