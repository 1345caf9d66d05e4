"""The primitives' configs: exact costs against the published formulas, limits, labels and presets."""

import pytest
from pydantic import ValidationError

from search_spaces.primitives import CATALOGUE, CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence, gated_deltanet, gla, mamba2, retnet
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from tests.search_spaces.examples import D_MODEL, EXAMPLES, architecture_of

CONTEXT = CostContext(context_length=100, bytes_per_element=2)
RECURRENCE = {"n_heads": 4, "n_groups": 4, "key_dim": 8, "value_dim": 8, "decay": "none"}


def test_examples_cover_the_catalogue():
    assert {type(primitive) for primitive in EXAMPLES.values()} == set(CATALOGUE.values())


def test_catalogue_names_are_the_kinds():
    assert {name: cls.model_fields["kind"].default for name, cls in CATALOGUE.items()} == {n: n for n in CATALOGUE}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_possible_and_survives_json(name):
    primitive = EXAMPLES[name]
    assert list(primitive.problems(D_MODEL)) == []
    assert type(primitive).from_json(primitive.to_json()) == primitive
    architecture = architecture_of(primitive)
    assert type(architecture).from_json(architecture.canonical_json()).digest == architecture.digest


@pytest.mark.parametrize("name", EXAMPLES)
def test_cost_is_made_of_exact_integers(name):
    cost = EXAMPLES[name].cost(D_MODEL, CONTEXT)
    for value in (cost.params, cost.active_params, cost.flops_per_token, cost.state_bytes):
        assert type(value) is int
    assert 0 <= cost.active_params <= cost.params
    assert cost.params > 0 or EXAMPLES[name].kind == "fnet"


@pytest.mark.parametrize("name", EXAMPLES)
def test_label_is_short(name):
    assert 0 < len(EXAMPLES[name].label()) <= 32


@pytest.mark.parametrize(("d", "n_heads", "state", "expand", "groups", "conv"), [(64, 4, 16, 2, 1, 4), (96, 6, 24, 1, 3, 2)])
def test_mamba2_costs_the_published_formulas(d, n_heads, state, expand, groups, conv):
    config = mamba2(d, n_heads=n_heads, state_size=state, expand=expand, n_groups=groups, conv_width=conv)
    cost = config.cost(d, CONTEXT)
    di, channels = expand * d, expand * d + 2 * groups * state
    assert cost.params == d * (di + channels + n_heads) + channels * conv + channels + 3 * n_heads + di + di * d
    assert cost.state_bytes == 2 * (di * state + channels * conv)
    assert cost.flops_per_token == 2 * d * (di + channels + n_heads) + 2 * di * d + 2 * channels * conv + 4 * di * state


@pytest.mark.parametrize(("d", "n_heads", "key_dim", "expand"), [(64, 4, 16, 1), (48, 2, 12, 2)])
def test_gated_deltanet_costs_the_published_formulas(d, n_heads, key_dim, expand):
    cost = gated_deltanet(d, n_heads=n_heads, key_dim=key_dim, expand=expand).cost(d, CONTEXT)
    keys, values, dv = n_heads * key_dim, expand * d, expand * d // n_heads
    channels = 2 * keys + values
    projections = d * (2 * keys + 2 * values) + 2 * d * n_heads + values * d
    assert cost.params == projections + channels * 4 + 2 * n_heads + dv
    assert cost.state_bytes == 2 * (n_heads * key_dim * dv + channels * 4)
    assert cost.flops_per_token == 2 * projections + 2 * channels * 4 + 6 * n_heads * key_dim * dv


def test_retnet_costs_the_published_formulas():
    d, expand = 64, 2
    cost = retnet(d, n_heads=4, key_dim=16, expand=expand).cost(d, CONTEXT)
    assert cost.params == 2 * d**2 + 3 * d * expand * d
    assert cost.state_bytes == 2 * 4 * 16 * 32
    assert cost.flops_per_token == 2 * cost.params + 4 * 4 * 16 * 32


def test_gla_costs_its_projections_and_low_rank_decay():
    d, rank = 64, 16
    cost = gla(d, n_heads=4, key_dim=8, decay_rank=rank).cost(d, CONTEXT)
    projections = 2 * d * 32 + 3 * d * d + d * rank + rank * 32
    assert cost.params == projections + 32 + 16  # the decay's bias, one norm weight per value channel of a head
    assert cost.flops_per_token == 2 * projections + 4 * 4 * 8 * 16


def test_attention_costs_the_published_formulas():
    d, (h, hk, dh) = 64, (8, 2, 8)
    full = Attention(n_heads=h, n_kv_heads=hk, head_dim=dh).cost(d, CONTEXT)
    assert full.params == d * (h + 2 * hk) * dh + h * dh * d
    assert full.flops_per_token == 2 * full.params + 2 * h * dh * 101  # 4 h dh per visible key, 50.5 keys on average
    assert full.state_bytes == 2 * hk * dh * 100 * 2
    window = Attention(n_heads=h, n_kv_heads=hk, head_dim=dh, window=10).cost(d, CONTEXT)
    visible = sum(min(t, 10) for t in range(1, 101)) / 100
    assert window.flops_per_token == pytest.approx(2 * full.params + 4 * h * dh * visible, abs=1)
    assert window.state_bytes == 2 * hk * dh * 9 * 2
    assert Attention(n_heads=h, n_kv_heads=hk, head_dim=dh, qk_norm=True).cost(d, CONTEXT).params == full.params + 16


def test_short_conv_and_swiglu_cost_the_published_formulas():
    conv = ShortConv(width=3).cost(64, CONTEXT)
    assert (conv.params, conv.state_bytes) == (4 * 64**2 + 64 * 3, 64 * 3 * 2)
    assert conv.flops_per_token == 2 * conv.params
    assert SwiGLU(d_ff=100).cost(64, CONTEXT).params == 3 * 64 * 100


def test_moe_counts_active_parameters():
    cost = MoE(n_experts=8, top_k=2, d_expert=32, n_shared=1).cost(64, CONTEXT)
    assert cost.params == (8 + 1) * 3 * 64 * 32 + 8 * 64
    assert cost.active_params == (2 + 1) * 3 * 64 * 32 + 8 * 64
    assert (cost.flops_per_token, cost.state_bytes) == (2 * cost.active_params, 0)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("n_groups", {"n_groups": 3}),
        ("key_dim", {"rope": True, "key_dim": 7}),
        ("conv_width", {"conv_width": 1}),
        ("decay_rank", {"decay": "low_rank"}),
        ("decay_rank", {"decay": "step", "decay_rank": 4}),
        ("write", {"write": "step"}),
        ("write", {"write": "step", "decay": "fixed"}),
        ("qk_norm", {"write": "delta"}),
        ("conv_bias", {"conv_bias": True}),
        ("out_norm", {"out_norm": "gated", "gate": False}),
    ],
)
def test_recurrence_names_the_impossible_field(field, changes):
    problems = list(Recurrence(**(RECURRENCE | changes)).problems(D_MODEL))
    assert [problem.field for problem in problems] == [field]
    assert len(problems[0].reason) > 10


@pytest.mark.parametrize(
    ("primitive", "field"),
    [
        (Attention(n_heads=4, n_kv_heads=3, head_dim=8), "n_kv_heads"),
        (Attention(n_heads=4, n_kv_heads=4, head_dim=7), "head_dim"),
        (MoE(n_experts=4, top_k=5, d_expert=8), "top_k"),
        (MoE(n_experts=4, top_k=2, d_expert=200_000, n_shared=2), "n_shared"),
    ],
)
def test_attention_and_moe_name_the_impossible_field(primitive, field):
    assert [problem.field for problem in primitive.problems(D_MODEL)] == [field]
    with pytest.raises(ValidationError, match=field):
        architecture_of(primitive)


@pytest.mark.parametrize(
    ("label", "primitive"),
    [
        ("mamba2·4h12x16", EXAMPLES["mamba2"]),
        ("mamba2·4h8x16", EXAMPLES["mamba2_groups"]),
        ("retnet·4h8x16", EXAMPLES["retnet"]),
        ("gla·4h8x8", EXAMPLES["gla"]),
        ("gdn·4h8x8", EXAMPLES["gated_deltanet"]),
        ("rec-none-delta·4h8x10", EXAMPLES["delta_shared_keys"]),
        ("moe8k1x9+2", EXAMPLES["moe_shared"]),
        ("moe4k2x16", EXAMPLES["moe"]),
        ("attn4/2w5", EXAMPLES["window"]),
        ("conv7", EXAMPLES["short_conv_7"]),
    ],
)
def test_label_names_preset_and_sizes(label, primitive):
    assert primitive.label() == label


@pytest.mark.parametrize("preset", [mamba2, retnet, gla, gated_deltanet])
def test_preset_refuses_heads_that_do_not_divide(preset):
    size = {"state_size": 8} if preset is mamba2 else {"key_dim": 8}
    with pytest.raises(ValueError, match="n_heads 7 must divide expand"):
        preset(64, n_heads=7, **size)


def test_preset_refuses_other_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="n_groups 3 must divide n_heads 4"):
        mamba2(64, n_heads=4, state_size=8, n_groups=3)
    with pytest.raises(ValueError, match="key_dim 7 must be even"):
        retnet(64, n_heads=4, key_dim=7)
    with pytest.raises(ValueError, match="value_dim"):
        gla(4096, n_heads=1, key_dim=8)
