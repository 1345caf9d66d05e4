"""The member of a space that is nearest to an architecture, against looking at all of them."""

from random import Random

import pytest

from nas.distance import distance
from nas.nearest import nearest
from nas.references import build_reference
from search_spaces.allowed import Range
from search_spaces.presets import recall_demo
from search_spaces.space import Params, Space
from search_spaces.zoo import ZOO
from tests.nas.spaces import CONDITIONAL

SMALL = recall_demo()


def everybody(space: Space):
    """Every member, found by drawing many more than there are."""
    rng = Random(0)
    drawn = (space.sample(rng) for _ in range(20 * space.size()))
    members = {tuple(params.items()): params for params in drawn}
    assert len(members) == space.size()
    return [space.build(params) for params in members.values()]


@pytest.fixture(scope="module")
def members():
    return everybody(SMALL)


@pytest.mark.parametrize("name", ["transformer", "mamba2", "gated_deltanet", "conv_attention", "samba", "retnet"])
def test_nothing_in_a_space_of_one_part_at_a_time_is_nearer(members, name):
    wanted = build_reference(name, SMALL)
    found = nearest(SMALL, wanted)
    assert found.architecture == SMALL.build(found.params)
    assert found.distance == distance(found.architecture, wanted)
    assert found.distance == pytest.approx(min(distance(member, wanted) for member in members))


def test_a_member_is_its_own_nearest():
    rng = Random(3)
    for _ in range(10):
        wanted = CONDITIONAL.build(CONDITIONAL.sample(rng))
        assert nearest(CONDITIONAL, wanted).distance == 0


def test_a_large_range_is_walked_to_the_end():
    space = Space(name="wide", genes={"d_model": (64,), "depth": Range(low=1, high=64), "ffn_ratio": (1.0, 2.0, 4.0)})
    wanted = space.build({"depth": 43, "ffn_ratio": 2.0})
    assert nearest(space, wanted).params == {"depth": 43, "ffn_ratio": 2.0}


def test_distance_is_symmetric_between_0_and_1_and_0_for_the_same():
    built = [entry.build() for entry in ZOO.values()]
    for one in built:
        assert distance(one, one) == 0
        for other in built[::7]:
            assert 0 <= distance(one, other) <= 1
            assert distance(one, other) == pytest.approx(distance(other, one))


def test_distance_grows_with_what_differs():
    attention: Params = {
        "d_model": 64,
        "depth": 4,
        "placement": "interleaved",
        "attention_ratio": 1.0,
        "n_kv_heads": 1,
        "channel": "dense",
    }
    build = CONDITIONAL.build
    base = build(attention)
    heads = build(attention | {"n_kv_heads": 2})
    half: Params = {**attention, "attention_ratio": 0.5, "linear_mixer": "retnet", "state_size": 8}
    bare = build(attention | {"channel": "none"})
    assert 0 < distance(base, heads) < distance(base, build(half)) < distance(base, bare) < 1


def test_layers_are_compared_at_equal_shares_of_the_depth():
    sizes: Params = {"placement": "bottom", "attention_ratio": 0.5, "linear_mixer": "retnet", "n_kv_heads": 1, "state_size": 8}
    space = Space(name="depths", genes={**CONDITIONAL.genes, "depth": (2, 4, 8)})
    short, long = (space.build({"d_model": 64, "depth": depth, **sizes, "channel": "dense"}) for depth in (2, 8))
    top = space.build({"d_model": 64, "depth": 8, **sizes, "placement": "top", "channel": "dense"})
    assert distance(short, long) == pytest.approx(0.1 * (1 - 2 / 8)), "they differ by their depth alone"
    assert distance(long, top) > distance(short, long)
