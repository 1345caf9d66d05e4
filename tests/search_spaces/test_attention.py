"""Attention's config: costs counted key by key, options without their partners, labels, and who may share keys with whom."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.architecture import Architecture, BytePatchInput, Layer, Loop, TokenInput
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.short_conv import ShortConv

D, LENGTH = 64, 100
SIZES = {"n_heads": 8, "n_kv_heads": 2, "head_dim": 16}
CONTEXT = CostContext(context_length=LENGTH, bytes_per_element=2)


def attention(**fields):
    return Attention(**SIZES | fields)


PLAIN = attention().cost(D, CONTEXT)
INNER, KV = 8 * 16, 2 * 16

SEEN: dict[str, tuple[dict[str, Any], Callable[[int, int], bool]]] = {
    "dense": ({}, lambda t, j: j <= t),
    "window": ({"window": 9}, lambda t, j: t - j < 9),
    "global": ({"window": 9, "n_global": 4}, lambda t, j: t - j < 9 or j < 4),
    "strided": ({"pattern": "strided", "stride": 7}, lambda t, j: t - j < 7 or (t - j) % 7 == 0),
    "fixed": ({"pattern": "fixed", "stride": 7, "n_summary": 2}, lambda t, j: t // 7 == j // 7 or j % 7 >= 5),
}


@pytest.mark.parametrize("name", SEEN)
def test_mixing_costs_four_flops_for_each_channel_of_each_visible_key(name):
    fields, sees = SEEN[name]
    n_seen = sum(sees(t, j) for t in range(LENGTH) for j in range(t + 1))
    flops = attention(**fields).cost(D, CONTEXT).flops_per_token
    assert flops == 2 * PLAIN.params + -(-4 * INNER * n_seen // LENGTH)


def test_bigbird_costs_its_blocks():
    config = attention(pattern="bigbird", block_size=10, n_global=1, n_random=2)
    n_seen = sum(t % 10 + 1 + 10 * min(t // 10, 1 + 1 + 2) for t in range(LENGTH))
    assert config.cost(D, CONTEXT).flops_per_token == 2 * PLAIN.params + -(-4 * INNER * n_seen // LENGTH)


def test_top_k_costs_its_window_and_its_best():
    cost = attention(window=10, top_k=20).cost(D, CONTEXT)
    assert cost.params == PLAIN.params + D * 2
    assert cost.flops_per_token == 2 * cost.params + -(-4 * INNER * sum(min(t, 30) for t in range(1, LENGTH + 1)) // LENGTH)
    assert cost.state_bytes == (2 * KV + 2) * (20 + 10) * 2


@pytest.mark.parametrize(
    ("fields", "tokens"),
    [
        ({}, 100),
        ({"window": 9}, 8),
        ({"window": 1}, 0),
        ({"window": 9, "n_global": 4}, 12),
        ({"window": 200}, 100),
        ({"pattern": "strided", "stride": 7}, 100),
        ({"share_kv": True}, 0),
    ],
)
def test_state_is_the_tokens_a_later_one_may_see(fields, tokens):
    assert attention(**fields).cost(D, CONTEXT).state_bytes == 2 * KV * tokens * 2


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_bits_of_the_cache_scale_the_state(bits):
    assert attention(kv_bits=bits).cost(D, CONTEXT).state_bytes == PLAIN.state_bytes * bits // 16
    odd = Attention(n_heads=1, n_kv_heads=1, head_dim=3, rope=False, kv_bits=bits).cost(D, CostContext(context_length=1))
    assert odd.state_bytes == -(-2 * 3 * 2 * bits // 16)


@pytest.mark.parametrize(
    ("fields", "matrices", "vectors"),
    [
        ({"output_gate": True}, D * INNER, 0),
        ({"sub_norm": True}, 0, INNER),
        ({"sink": True}, 0, 8),
        ({"qk_norm": True}, 0, 2 * 16),
        ({"soft_cap": 30.0, "rotary_fraction": 0.5}, 0, 0),
        ({"share_kv": True}, -2 * D * KV, 0),
        ({"share_kv": True, "qk_norm": True}, -2 * D * KV, 16),
    ],
)
def test_options_cost_their_weights(fields, matrices, vectors):
    cost = attention(**fields).cost(D, CONTEXT)
    assert cost.params == PLAIN.params + matrices + vectors
    assert cost.flops_per_token == PLAIN.flops_per_token + 2 * matrices


def test_later_loops_read_the_first():
    config, later = attention(loop_kv="first"), CostContext(context_length=LENGTH, loop=1)
    assert config.cost(D, CONTEXT) == PLAIN
    cost = config.cost(D, later)
    assert cost.flops_per_token == PLAIN.flops_per_token - 2 * 2 * D * KV
    assert (cost.params, cost.state_bytes) == (PLAIN.params, 0)


def test_later_loops_add_their_window_and_its_gate():
    config, later = attention(loop_kv="first", loop_window=9), CostContext(context_length=LENGTH, loop=1)
    first, cost = config.cost(D, CONTEXT), config.cost(D, later)
    assert first.params == cost.params == PLAIN.params + (D + 1) * 8
    assert first.flops_per_token == PLAIN.flops_per_token
    n_seen = sum(t + min(t, 9) for t in range(1, LENGTH + 1))
    assert cost.flops_per_token == 2 * (PLAIN.params + D * 8) + -(-4 * INNER * n_seen // LENGTH)
    assert cost.state_bytes == 2 * KV * 8 * 2


def test_a_model_keeps_the_first_loops_keys_once():
    layer = Layer(mixers=(attention(loop_kv="first", loop_window=9),))
    model = Architecture(d_model=D, core=(layer,), n_loops=4, input=TokenInput(vocab_size=8))
    assert price(model, CONTEXT).state_bytes == PLAIN.state_bytes + 3 * 2 * KV * 8 * 2


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("rotary_fraction", {"rope": False, "rotary_fraction": 0.5}),
        ("rotary_fraction", {"head_dim": 12, "rotary_fraction": 0.25}),
        ("rotary_fraction", {"rotary_fraction": 0.01}),
        ("head_dim", {"head_dim": 7}),
        ("n_global", {"n_global": 2}),
        ("n_global", {"pattern": "strided", "stride": 4, "n_global": 2}),
        ("n_global", {"window": 4, "top_k": 3, "n_global": 2}),
        ("stride", {"stride": 4}),
        ("stride", {"pattern": "strided"}),
        ("stride", {"pattern": "bigbird", "block_size": 4, "stride": 4}),
        ("n_summary", {"pattern": "fixed", "stride": 4}),
        ("n_summary", {"pattern": "fixed", "stride": 4, "n_summary": 5}),
        ("n_summary", {"pattern": "strided", "stride": 4, "n_summary": 1}),
        ("block_size", {"pattern": "bigbird"}),
        ("block_size", {"window": 4, "block_size": 4}),
        ("n_random", {"window": 4, "n_random": 1}),
        ("window", {"window": 4, "pattern": "bigbird", "block_size": 4}),
        ("top_k", {"top_k": 4}),
        ("loop_window", {"loop_window": 4}),
        ("loop_kv", {"loop_kv": "first", "share_kv": True}),
        ("loop_kv", {"loop_kv": "first", "window": 4, "top_k": 2}),
        ("share_kv", {"share_kv": True, "window": 4, "top_k": 2}),
        ("share_kv", {"share_kv": True, "pattern": "strided", "stride": 4}),
    ],
)
def test_attention_names_the_impossible_field(field, fields):
    problems = list(attention(**fields).problems(D))
    assert [problem.field for problem in problems] == [field]
    assert len(problems[0].reason) > 10


def test_a_pattern_decides_on_its_own_what_top_k_may_keep():
    fields = {problem.field for problem in attention(pattern="strided", stride=4, top_k=2, window=4).problems(D)}
    assert fields == {"window"}


@pytest.mark.parametrize(
    "fields",
    [{"kv_bits": 3}, {"soft_cap": 0.0}, {"rotary_fraction": 1.5}, {"top_k": 0, "window": 4}, {"window": 4, "n_global": 5000}],
)
def test_attention_bounds_its_numbers(fields):
    with pytest.raises(ValidationError):
        attention(**fields)


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("attn8/2", {}),
        ("attn8/2w64g4", {"window": 64, "n_global": 4}),
        ("attn8/2s16", {"pattern": "strided", "stride": 16}),
        ("attn8/2f16.2", {"pattern": "fixed", "stride": 16, "n_summary": 2}),
        ("attn8/2b16g1r2", {"pattern": "bigbird", "block_size": 16, "n_global": 1, "n_random": 2}),
        ("attn8/2w64k32", {"window": 64, "top_k": 32}),
        ("attn8/2·rope0.25·kv4", {"rotary_fraction": 0.25, "kv_bits": 4}),
        ("attn8/2·shared", {"share_kv": True}),
        ("attn8/2·first+w16", {"loop_kv": "first", "loop_window": 16}),
    ],
)
def test_label_tells_what_is_seen(label, fields):
    assert attention(**fields).label() == label


def test_neutral_options_leave_the_digest_as_it_was():
    assert attention(window=5).canonical_json() == '{"head_dim":16,"kind":"attention","n_heads":8,"n_kv_heads":2,"window":5}'


OWN, SHARED, FIRST = attention(), attention(share_kv=True), attention(loop_kv="first")
CONV = ShortConv()


def layer(*mixers, **fields):
    return Layer(mixers=mixers, **fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"core": (layer(SHARED),)}, r"core\[0\].mixers\[0\].share_kv: no earlier layer"),
        ({"core": (layer(SHARED), layer(OWN))}, r"core\[0\].mixers\[0\].share_kv: no earlier layer"),
        ({"core": (layer(SHARED), layer(OWN)), "n_loops": 2}, "no earlier layer of the section"),
        ({"prelude": (layer(OWN),), "core": (layer(SHARED),), "n_loops": 2}, "no earlier layer of the section"),
        ({"core": (layer(attention(window=9)), layer(SHARED))}, "with the same n_kv_heads, head_dim, window"),
        ({"core": (layer(attention(n_kv_heads=4)), layer(SHARED))}, "with the same n_kv_heads"),
        ({"core": (layer(attention(rotary_fraction=0.5)), layer(SHARED))}, "rotary_fraction"),
        ({"core": (layer(attention(kv_bits=8)), layer(SHARED))}, "kv_bits"),
        ({"core": (layer(attention(window=9, top_k=3)), layer(attention(window=9, share_kv=True)))}, "no earlier layer"),
        ({"core": (layer(OWN, capacity=0.5), layer(SHARED))}, "that every token passes"),
        ({"core": (layer(OWN, CONV, fusion="route_top1"), layer(SHARED))}, "that every token passes"),
        ({"core": (layer(OWN), layer(SHARED, capacity=0.5))}, "some tokens do not pass the layer"),
        ({"core": (layer(OWN), layer(SHARED, CONV, fusion="route_top1"))}, "some tokens do not pass the layer"),
        ({"core": (layer(OWN), layer(OWN, SHARED))}, "a parallel branch has such keys of its own"),
        ({"core": (layer(OWN), layer(SHARED)), "n_loops": 2, "loop": Loop(depth="token_choice")}, "some tokens do not pass"),
        ({"core": (layer(FIRST),)}, r"core\[0\].mixers\[0\].loop_kv: 'first' is for the core of a model with n_loops"),
        ({"prelude": (layer(FIRST),), "core": (layer(OWN),), "n_loops": 2}, r"prelude\[0\].mixers\[0\].loop_kv"),
        ({"core": (layer(FIRST, capacity=0.5),), "n_loops": 2}, "some tokens do not pass every loop"),
        ({"core": (layer(FIRST),), "n_loops": 2, "loop": Loop(depth="expert_choice")}, "some tokens do not pass every loop"),
        ({"core": (layer(FIRST), layer(SHARED)), "n_loops": 2}, "no earlier layer"),
        (
            {"core": (layer(OWN),), "input": BytePatchInput(patch_size=4, d_byte=D, within=(layer(SHARED),))},
            r"input.within\[0\].mixers\[0\].share_kv",
        ),
        (
            {"core": (layer(OWN),), "input": BytePatchInput(patch_size=4, d_byte=D, within=(layer(FIRST),))},
            r"input.within\[0\].mixers\[0\].loop_kv",
        ),
    ],
)
def test_keys_that_cannot_be_read_are_refused(fields, reason):
    with pytest.raises(ValidationError, match=reason):
        Architecture(d_model=D, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"core": (layer(OWN), layer(CONV), layer(SHARED, CONV), layer(attention(share_kv=True, n_heads=4, sink=True)))},
        {"core": (layer(OWN), layer(attention(window=9)), layer(SHARED))},
        {"core": (layer(OWN), layer(OWN, capacity=0.5), layer(SHARED))},
        {"core": (layer(OWN, attention(window=9)), layer(SHARED, attention(window=9, share_kv=True), fusion="route_soft"))},
        {"prelude": (layer(OWN), layer(SHARED)), "core": (layer(FIRST),), "n_loops": 2, "loop": Loop(depth="halting")},
        {"core": (layer(OWN),), "input": BytePatchInput(patch_size=4, d_byte=D, within=(layer(OWN), layer(SHARED)))},
    ],
)
def test_keys_that_can_be_read_are_allowed(fields):
    assert Architecture(d_model=D, **fields).layers()
