import json
import pickle
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any

import optuna
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search_spaces.architecture import Architecture
from search_spaces.cost import MAX_PARAMS, price
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.space import OutsideSpace, Space
from tests.search_spaces.drawn import Scripted, enumerate_params, spaces

CONTEXT = CostContext(context_length=128)


def read(genes, mode="macro", **fields) -> Space:
    return Space.from_data({"name": "test", "mode": mode, "genes": genes, **fields})


@settings(max_examples=150, deadline=None)
@given(spaces(), st.randoms(use_true_random=False))
def test_space_every_sampled_member_builds_and_keeps_its_digest(space, rng):
    for _ in range(5):
        params = space.sample(rng)
        architecture = space.build(params)
        assert Architecture.from_json(architecture.to_json()).digest == architecture.digest
        assert price(architecture, CONTEXT).params <= space.params_bound() <= MAX_PARAMS
        assert space.contains(params)
        assert space.contains(json.loads(json.dumps(params)))
        assert space.params_of(space.assignment(params)) == params


def test_space_takes_an_assignment_of_a_space_that_settled_other_genes():
    here = Space(name="here", genes={"d_model": (32, 64), "depth": (2,), "attention_ratio": (0.0, 1.0)})
    there = Space(name="there", genes={"d_model": (64,), "depth": (2, 4), "attention_ratio": (0.0, 1.0)})
    assert here.params_of(there.assignment({"depth": 2, "attention_ratio": 0.0})) == {"d_model": 64, "attention_ratio": 0.0}
    with pytest.raises(OutsideSpace, match="depth: settled at 2 in this space, and not there"):
        here.params_of(there.assignment({"depth": 4, "attention_ratio": 0.0}))
    other_knob = Space(name="other", genes={"d_model": (64,), "depth": (2,), "attention_ratio": (1.0,), "n_heads": (2, 4)})
    with pytest.raises(OutsideSpace, match="n_heads: settled at 4"):
        here.params_of(other_knob.assignment({"n_heads": 2}))


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_space_small_spaces_are_counted_built_and_bounded_exactly(space):
    assume(space.size() <= 400)
    members = list(enumerate_params(space))
    assert space.size() == len(members)
    assert len({json.dumps(params, sort_keys=True) for params in members}) == len(members)
    free = {name for name, values in space.genes.items() if not isinstance(values, tuple) or len(values) > 1}
    assert {name for name in free if "*" not in name} <= {name for params in members for name in params}
    for params in members:
        assert space.contains(params)
        assert price(space.build(params), CONTEXT).params <= space.params_bound()


@settings(max_examples=80, deadline=None)
@given(spaces(), st.randoms(use_true_random=False), st.data())
def test_space_perturbed_params_are_outside(space, rng, data):
    params = space.sample(rng)
    assert not space.contains(params | {"no_such_gene": 1})
    assume(params)
    name = data.draw(st.sampled_from(sorted(params)))
    assert not space.contains({key: value for key, value in params.items() if key != name})
    wrongs: list[Any] = ["no such word", 10**9, -1, None, [], {}, float("nan")]
    for wrong in wrongs:
        assert not space.contains(params | {name: wrong}), wrong
        with pytest.raises(OutsideSpace, match=name):
            space.build(params | {name: wrong})


@settings(max_examples=80, deadline=None)
@given(spaces())
def test_space_document_round_trips(space):
    again = Space.from_json(space.to_json())
    assert again == space
    assert again.digest == space.digest
    assert pickle.loads(pickle.dumps(space)) == space


def test_space_size_counts_conditions_by_hand():
    genes = {"attention_ratio": [0, 1], "n_heads": [1, 2, 4], "linear_mixer": ["mamba2", "short_conv"]}
    # no attention: 2 mixers; all attention: 3 head counts
    assert read(genes).size() == 5
    # the default placement is interleaved; explicit has its own gene instead of the ratio
    assert read(genes | {"placement": ["top", "explicit"], "attention_layers": ["", "0"]}).size() == 5 + (2 + 3 * 2)
    assert read({"channel": ["none", "dense", "moe", "moe_fine"], "granularity": [2, 4]}).size() == 5
    assert read({"n_loops": {"low": 1, "high": 3}, "injection": ["add", "none"]}).size() == 5


def test_space_size_is_exact_for_micro_spaces_of_32_layers():
    genes = {"depth": [32], "layer*.mixer": ["attention", "mamba2", "short_conv"], "layer*.channel": ["none", "dense"]}
    assert read(genes, "micro").size() == 6**32
    free_knobs = read(genes | {"short_conv_width": [3, 5]}, "micro")
    assert free_knobs.size() == 2**32 * (2 * 3**32 - 2**32)


def test_space_size_of_micro_mode_follows_depth():
    genes = {"depth": [1, 3], "layer*.mixer": ["attention", "gla"], "layer0.mixer": ["gla"], "layer*.channel": ["none"]}
    assert read(genes, "micro").size() == 1 + 2**2


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler, optuna.samplers.TPESampler])
def test_space_suggests_through_optuna(name, sampler):
    space, study = PRESETS[name](), optuna.create_study(sampler=sampler(seed=0))
    for number in range(15):
        trial = study.ask()
        params = space.suggest(trial)
        assert trial.params == params
        assert space.contains(params)
        study.tell(trial, float(number % 4))


def test_space_suggests_ranges_as_integers_with_a_step():
    space, study = read({"depth": {"low": 2, "high": 8, "step": 3}}), optuna.create_study()
    trial = study.ask()
    assert space.suggest(trial)["depth"] in (2, 5, 8)
    assert trial.distributions["depth"] == optuna.distributions.IntDistribution(2, 8, step=3)


def test_space_samples_are_decided_by_the_seed():
    space = PRESETS["hybrid_ratio"]()
    draws = [[space.sample(rng) for _ in range(20)] for rng in (Random(1), Random(1), Random(2))]
    assert draws[0] == draws[1] != draws[2]


def test_space_params_leave_settled_genes_out():
    space = read({"d_model": [32], "depth": [2, 3]})
    assert space.sample(Random(0)).keys() == {"depth"}
    assert space.build({"depth": 2}).d_model == 32
    (problem,) = space.problems({"depth": 2, "d_model": 32})
    assert (problem.field, problem.reason) == ("d_model", "settled at 32 in this space; leave it out")


@pytest.mark.parametrize(
    ("params", "field", "reason"),
    [
        ({}, "attention_ratio", "missing; allowed: 0.0, 1.0"),
        ({"attention_ratio": 0.5}, "attention_ratio", "0.5 is not allowed here; allowed: 0.0, 1.0"),
        ({"attention_ratio": True, "n_heads": 1}, "attention_ratio", "true is not a number from 0 to 1"),
        ({"attention_ratio": 1.0, "n_heads": True}, "n_heads", "true is not an integer from 1 to 256"),
        ({"attention_ratio": 1.0, "n_heads": 1.0}, "n_heads", "1.0 is not an integer from 1 to 256"),
        ({"attention_ratio": 0.0, "n_heads": 1}, "n_heads", "not active here"),
        ({"attention_ratio": 0.0, "width": 1}, "width", "no such gene"),
    ],
)
def test_space_says_why_params_are_outside(params, field, reason):
    (problem,) = read({"attention_ratio": [0, 1], "n_heads": [1, 2]}).problems(params)
    assert problem.field == field
    assert problem.reason.startswith(reason)


def test_space_equal_spaces_have_equal_digests():
    spaces_ = [read({"n_kv_heads": values, "attention_ratio": [0.5, 1]}) for values in ([1, "all"], ["all", 1])]
    spaces_.append(read({"attention_ratio": [1, 0.5], "n_kv_heads": ["all", 1]}))
    assert len({space.digest for space in spaces_}) == 1


def digest_of(genes, mode="macro") -> str:
    space = read(genes, mode)
    assert space.size() == 1
    return space.build({}).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attention_ratio": [0], "placement": ["top"]}, {"attention_ratio": [0], "placement": ["middle"]}),
        ({"attention_ratio": [0]}, {"placement": ["explicit"], "attention_layers": [""]}),
        ({"attention_ratio": [0], "fusion": ["parallel_add"]}, {"attention_ratio": [0]}),
        ({"attention_ratio": [0.5]}, {"placement": ["explicit"], "attention_layers": ["1,3"]}),
        ({"n_kv_heads": ["all"]}, {"n_kv_heads": [4]}),
        ({"n_loops": [1], "n_prelude": [1]}, {"n_coda": [1]}),
        ({"channel": ["moe_fine"], "granularity": [1]}, {"channel": ["moe"]}),
    ],
)
def test_space_equal_architectures_from_different_genes_have_equal_digests(one, other):
    assert digest_of(one) == digest_of(other)


def test_space_macro_and_micro_describe_the_same_architecture():
    macro = {"depth": [3], "placement": ["top"], "attention_ratio": [0.34], "linear_mixer": ["gla"]}
    micro = {"depth": [3], "layer*.mixer": ["gla"], "layer2.mixer": ["attention"]}
    assert digest_of(macro) == digest_of(micro, "micro")
    parallel = {"depth": [2], "attention_ratio": [1], "fusion": ["parallel_norm_mean"]}
    side_by_side = {"depth": [2], "layer*.mixer": ["attention+mamba2"], "fusion": ["parallel_norm_mean"]}
    assert digest_of(parallel) == digest_of(side_by_side, "micro")


def test_space_different_genes_make_different_architectures():
    space = read({"placement": ["top", "bottom"], "n_kv_heads": [1, 2], "state_size": [8, 16], "channel": ["dense", "none"]})
    assert len({space.build(params).digest for params in enumerate_params(space)}) == 16


def test_space_params_bound_is_reached_where_knobs_are_settled():
    space = PRESETS["recall_demo"]()
    assert max(price(space.build(params), CONTEXT).params for params in enumerate_params(space)) == space.params_bound()


def test_space_asks_only_active_genes_in_catalogue_order():
    space = read({"depth": [2, 3], "attention_ratio": [1], "n_heads": [1, 2], "channel": ["dense", "none"]})
    numbers = count()
    asked = {}

    class Recorder(Scripted):
        def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
            asked[name] = next(numbers)
            return super().suggest_categorical(name, choices)

    space.suggest(Recorder([]))
    assert list(asked) == ["depth", "n_heads", "channel"]
