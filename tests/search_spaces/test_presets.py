from random import Random

import pytest

from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.space import Space
from search_spaces.summary import shares


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_is_a_space_under_its_name(name):
    space = PRESETS[name]()
    assert space.name == name
    assert space.size() >= 100
    assert Space.from_json(space.to_json()).digest == space.digest


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_preset_members_are_proxies(name):
    space, rng = PRESETS[name](), Random(0)
    built = [space.build(space.sample(rng)) for _ in range(60)]
    assert max(price(architecture, CostContext(context_length=256)).params for architecture in built) < 10_000_000
    assert len({architecture.digest for architecture in built}) > 30


def drawn(name: str, n_samples: int = 200) -> list[Architecture]:
    space, rng = PRESETS[name](), Random(0)
    return [space.build(space.sample(rng)) for _ in range(n_samples)]


@pytest.mark.parametrize("name", ["hybrid_ratio", "recall_demo", "loop_depth"])
def test_preset_reaches_both_ends_of_the_attention_ratio(name):
    found = {shares(architecture).of_mixers for architecture in drawn(name)}
    assert {0.0, 1.0} <= found


def test_preset_routing_granularity_compares_at_one_active_width():
    parts = [layer.channel for architecture in drawn("routing_granularity") for layer in architecture.layers()]
    experts = [part for part in parts if isinstance(part, MoE)]
    assert {part.d_ff for part in parts if isinstance(part, SwiGLU)} == {128, 256}
    assert {(part.top_k + part.n_shared) * part.d_expert for part in experts} == {128, 256}
    assert {part.n_shared for part in experts} == {0, 1}


def test_preset_loop_depth_compares_loops_with_layers_of_their_own():
    assert {architecture.n_loops for architecture in drawn("loop_depth")} == {1, 2, 3, 4}


def test_preset_recall_state_spans_two_orders_of_magnitude_without_attention():
    costs = {
        price(architecture, CostContext(context_length=64)).state_bytes
        for architecture in drawn("recall_state")
        if shares(architecture).of_mixers == 0
    }
    assert max(costs) > 100 * min(costs)
