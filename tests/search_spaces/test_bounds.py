from random import Random

import pytest
from pydantic import ValidationError

from search_spaces.cost import MAX_PARAMS, price
from search_spaces.primitives import CostContext
from search_spaces.space import Space

HUGE = {"d_model": [65536], "n_heads": [256], "linear_heads": [256]}


@pytest.mark.parametrize(
    ("genes", "mode", "fields"),
    [
        (HUGE | {"depth": [16, 256]}, "macro", {}),
        (HUGE | {"d_model": {"low": 4096, "high": 65536, "step": 512}, "depth": [32]}, "micro", {}),
        (
            {"d_model": [4096], "n_heads": [64], "linear_heads": [64], "channel": ["dense", "moe"], "n_experts": [64]},
            "macro",
            {},
        ),
        ({"d_model": [16384], "depth": [1], "n_heads": [64], "linear_heads": [64]}, "macro", {"input": {"vocab_size": 10**6}}),
    ],
)
def test_space_refuses_more_parameters_than_can_be_trained(genes, mode, fields):
    with pytest.raises(ValidationError, match="parameters; at most 10,000,000,000") as caught:
        Space.from_data({"name": "huge", "mode": mode, "genes": genes, **fields})
    assert caught.value.errors()[0]["loc"] == ("genes", "d_model")


@pytest.mark.parametrize("mixer", ["attention", "mamba2", "retnet", "gla", "gated_deltanet", "short_conv", "attention+gla"])
@pytest.mark.parametrize("channel", ["none", "dense", "moe"])
@pytest.mark.parametrize("norms", [{}, {"qk_norm": [True], "fusion": ["parallel_norm_mean"]}])
def test_params_bound_is_reached_by_a_single_architecture(mixer, channel, norms):
    genes = {"depth": [3], "layer*.mixer": [mixer], "layer*.channel": [channel], "n_kv_heads": [2]} | norms
    space = Space.from_data({"name": "one", "mode": "micro", "genes": genes})
    assert price(space.build({}), CostContext(context_length=1)).params == space.params_bound() < MAX_PARAMS


def test_params_bound_holds_where_a_shallow_model_ends_in_a_heavier_layer():
    genes = {"depth": [1, 2], "layer0.channel": ["moe"], "layer1.channel": ["none"], "mtp": [4]}
    space = Space.from_data({"name": "test", "mode": "micro", "genes": genes})
    most = max(price(space.build({"depth": depth}), CostContext(context_length=1)).params for depth in (1, 2))
    assert most <= space.params_bound()


@pytest.mark.parametrize(
    "genes",
    [
        {"attention_ratio": [1], "n_heads": [1, 2, 4], "n_kv_heads": [1], "qk_norm": [False, True]},
        {"attention_ratio": [1], "n_heads": [8], "n_kv_heads": [1, 4, "all"]},
        {"attention_ratio": [0], "linear_mixer": ["gated_deltanet"], "linear_heads": [1, 4], "state_size": [1, 2]},
        # an expert's width is rounded up: width 8 for 3 experts is most in two parts, not in one or three
        {
            "attention_ratio": [1],
            "channel": ["moe_fine"],
            "d_model": [16],
            "ffn_ratio": [0.5],
            "top_k": [3],
            "granularity": [1, 2, 3],
        },
        {"channel": ["dense", "moe", "moe_shared"], "top_k": [1, 2], "granularity": [2, 4], "moe_period": [1, 2]},
        # a dense part has a norm within only while all its neurons are active
        {"norm": ["rms", "sub"], "active_neurons": [0.5, 1.0]},
        # gates of later loops belong to attention, which need not be the heaviest mixer
        {
            "attention_ratio": [0.5],
            "linear_mixer": ["short_conv"],
            "n_loops": [2],
            "loop_kv": ["own", "first"],
            "loop_window": [0, 4],
        },
    ],
)
def test_params_bound_holds_where_a_knob_s_middle_or_least_value_has_most(genes):
    space, rng = Space.from_data({"name": "test", "genes": genes}), Random(0)
    members = [space.build(space.sample(rng)) for _ in range(80)]
    most = max(price(member, CostContext(context_length=1)).params for member in members)
    assert most <= space.params_bound() < 2 * most
