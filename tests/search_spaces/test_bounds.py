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
def test_params_bound_is_reached_by_a_single_architecture(mixer, channel):
    genes = {"depth": [3], "layer*.mixer": [mixer], "layer*.channel": [channel], "n_kv_heads": [2]}
    space = Space.from_data({"name": "one", "mode": "micro", "genes": genes})
    assert price(space.build({}), CostContext(context_length=1)).params == space.params_bound() < MAX_PARAMS
