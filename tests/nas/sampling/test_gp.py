"""The Gaussian process, told of much that it knew already."""

from itertools import product

import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution

from nas.brain import Brain
from nas.sampling.gp import distinct
from nas.sampling.memory import Memory
from search_spaces.space import Space
from tests.nas.spaces import study

MIXERS = ("none", "short_conv", "hyena")
SMALL = Space(name="small", mode="micro", genes={"depth": (2,), "layer*.mixer": MIXERS})
"""Nine architectures."""


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_gp_proposes_what_is_left_rather_than_what_is_known():
    """All that the process hears of has bad scores but for the neighbours of what broke a constraint, of which it does not."""
    brain, pairs = Brain(study(sampler="gp", space=SMALL)), list(product(MIXERS, repeat=2))
    left = {pairs[0], pairs[4]}
    for number, pair in enumerate([pair for pair in pairs if pair not in left]):
        brain.replay({"layer0.mixer": pair[0], "layer1.mixer": pair[1]})
        if pair == pairs[8]:
            brain.reject(number, 1.0)
        else:
            brain.tell(number, [float(pair[0] == "hyena") + float(pair[1] == "hyena")])
    assert {tuple(brain.ask().values()) for _ in left} == left


def test_gp_is_shown_each_params_once_scored_ones_first():
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {"gene": CategoricalDistribution(["a", "b", "c"])}
    for value, state in (("a", "RUNNING"), ("a", "COMPLETE"), ("b", "COMPLETE"), ("b", "COMPLETE"), ("c", "RUNNING")):
        found = optuna.trial.TrialState[state]
        values = 0.0 if state == "COMPLETE" else None
        study.add_trial(optuna.trial.create_trial(state=found, value=values, params={"gene": value}, distributions=space))
    assert [trial.number for trial in distinct(Memory().look(study))] == [1, 2, 4]
