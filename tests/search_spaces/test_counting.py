from itertools import product
from random import Random

import pytest
from pydantic import ValidationError

from search_spaces.catalogue import LINEAR_MIXERS, MIXERS, genes_of
from search_spaces.genes import Facts, Number
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.space import Space

BYTE_PATCH = {"kind": "byte_patch", "patch_size": 4, "d_byte": 8, "within": [{"channel": {"kind": "relu2", "d_ff": 8}}]}
CAUSAL = [name for name in LINEAR_MIXERS if MIXERS[name].causal]
OWN_KNOBS = {
    "short_conv_width": [2, 3],
    "hyena_order": [1, 2],
    "h3_head_dim": [1, 2],
    "n_slots": [2, 4],
    "n_features": [4, 8],
    "rec_skip": [False, True],
    "lora_rank": [4, 8],
    "beta_scale": [1, 2],
    "expand": [1, 2],
    "conv_width": [2, 4],
    "state_size": [8, 16],
    "linear_heads": [2, 4],
    "window": [4, 8],
    "kv_rank": [8, 16],
    "active_neurons": [0.5, 1],
    "balance": ["loss", "bias"],
    "expert_capacity": [1, 2],
    "granularity": [2, 4],
    "n_shared": [1, 2],
}


def read(genes, mode="macro", **fields) -> Space:
    return Space.from_data({"name": "test", "mode": mode, "genes": genes, **fields})


def test_long_ranges_are_counted_by_what_their_values_mean():
    wide = {"low": 0, "high": 1_000_000}
    genes = {"attention_ratio": [1], "window": wide, "n_global": [0, 1, 2], "pattern": ["dense", "strided"]}
    assert read(genes).size() == 1 + 3 * 1_000_000 + 1
    assert read(genes | {"window": wide | {"low": 1}, "stride": {"low": 2, "high": 10**6}}).size() == 3 * 10**6 + 999_999


@pytest.mark.parametrize("mode", ["macro", "micro"])
def test_switches_learn_the_same_from_all_values_but_the_least(mode):
    switches = [gene for gene in genes_of(mode, 1) if gene.switch]
    assert switches
    for gene in switches:
        assert isinstance(gene.limits, Number)
        assert gene.learn is not None
        low, high = gene.limits.low, gene.limits.high
        assert isinstance(low, int)
        assert isinstance(high, int)
        least, *others = range(low, min(high, 300) + 1)
        learnt = {gene.learn(Facts(), value) for value in others}
        assert len(learnt) == 1
        assert gene.learn(Facts(), least) not in learnt


@pytest.mark.parametrize("mode", ["macro", "micro"])
def test_genes_only_add_facts_whatever_is_known(mode):
    known = Facts(frozenset(["softmax", "linear"]), depth=2)
    for gene in genes_of(mode, 2):
        words = getattr(gene.limits, "words", ()) or (gene.default,)
        for value in words if gene.learn else ():
            assert gene.learn is not None
            alone, beside = gene.learn(Facts(depth=2), value), gene.learn(known, value)
            assert beside == (alone.known | known.known, alone.depth)


@pytest.mark.parametrize("source", [{"kind": "continuous", "n_channels": 3}, {"rosa": True}, BYTE_PATCH])
def test_size_and_bound_hold_whatever_the_input(source):
    genes = {"attention_ratio": [0, 0.5], "n_heads": [1, 2], "n_loops": [1, 2], "norm": ["rms", "dyt"], "channel": ["none"]}
    space = read(genes, input=source)
    members = {tuple(sorted(space.sample(Random(seed)).items())) for seed in range(200)}
    assert space.size() == len(members) == (1 + 2) * 2 * 2


def test_mixers_with_knobs_of_their_own_are_counted_by_hand():
    words = ["short_conv", "hyena", "h3", "gla"]
    space = read({"depth": [3], "layer*.mixer": words, "short_conv_width": [2, 3], "hyena_order": [1, 2, 3]}, "micro")
    weights = {"short_conv": 2, "hyena": 3}
    by_hand = 0
    for choice in product(words, repeat=3):
        ways = 1
        for word in set(choice):
            ways *= weights.get(word, 1)
        by_hand += ways
    assert space.size() == by_hand


def test_spaces_that_would_take_long_to_count_are_refused():
    mixers, channels = [*CAUSAL, "attention", "mla"], ["dense", "moe", "moe_fine", "moe_shared", "switch"]
    genes = {"depth": [32], "layer*.mixer": mixers, "layer*.channel": channels, **OWN_KNOBS}
    with pytest.raises(ValidationError, match="cannot be counted; allow fewer layers or fewer mixers") as caught:
        read(genes, "micro")
    assert caught.value.errors()[0]["loc"] == ("genes", "depth")
    assert read(genes | {"depth": [2]}, "micro").size() > 10**4


def test_a_knob_that_is_settled_for_a_choice_never_made_does_no_harm():
    genes = {"linear_mixer": ["recurrence"], "rec_feature_map": ["none", "elu1"], "rec_normaliser": [True]}
    space = read(genes)
    members = [space.build(space.sample(Random(seed))) for seed in range(20)]
    mixers = [mixer for member in members for layer in member.layers() for mixer in layer.mixers]
    assert {mixer.normaliser for mixer in mixers if isinstance(mixer, Recurrence)} == {"none", "sum"}
