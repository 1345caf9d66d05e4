"""The recurrence's config: presets at their published costs, what is impossible, and what names it."""

import pytest

from search_spaces.primitives import CostContext
from search_spaces.primitives.recurrence import (
    Recurrence,
    deltanet,
    gated_deltanet,
    hgrn2,
    kda,
    lightning,
    linear_attention,
    mamba2,
    mlstm,
    performer,
    retnet,
)
from search_spaces.primitives.recurrence.members import MEMBERS
from tests.search_spaces.examples import D_MODEL

CONTEXT = CostContext(context_length=100, bytes_per_element=2)
PLAIN = {"n_heads": 4, "n_groups": 4, "key_dim": 8, "value_dim": 8, "decay": "none"}
SUM = {"feature_map": "elu1", "normaliser": "sum"}
FAVOR = {"feature_map": "favor", "n_features": 8, "normaliser": "sum"}
EXP = {"write": "exp", "normaliser": "max"}
DELTA = {"write": "delta", "qk_norm": True}


@pytest.mark.parametrize(("d", "h", "dh"), [(64, 4, 16), (48, 3, 8)])
def test_lightning_costs_the_published_formulas(d, h, dh):
    cost = lightning(d, n_heads=h, head_dim=dh).cost(d, CONTEXT)
    assert cost.params == d * 3 * h * dh + d * h * dh + h * dh * d + h * dh
    assert cost.state_bytes == 2 * h * dh**2


@pytest.mark.parametrize(("h", "dk", "c"), [(4, 16, 4), (2, 32, 3)])
def test_kda_costs_the_published_formulas(h, dk, c):
    d = h * dk
    cost = kda(d, n_heads=h, key_dim=dk, conv_width=c).cost(d, CONTEXT)
    low_rank = 2 * (d * dk + dk * h * dk)
    assert cost.params == 3 * d * h * dk + 3 * h * dk * c + low_rank + h * dk + h + d * h + dk + h * dk * d
    assert cost.state_bytes == 2 * (h * dk * dk + 3 * h * dk * c)


def test_gated_deltanet_with_shared_keys_costs_the_published_formulas():
    d, heads, groups, dk = 64, 4, 2, 16
    cost = gated_deltanet(d, n_heads=heads, n_groups=groups, key_dim=dk).cost(d, CONTEXT)
    kd, vd, dv, c = groups * dk, d, d // heads, 4
    assert cost.params == d * (2 * kd + 2 * vd) + 2 * d * heads + (2 * kd + vd) * c + 2 * heads + dv + vd * d
    assert cost.state_bytes == 2 * (heads * dk * dv + (2 * kd + vd) * c)


def test_linear_attention_and_performer_keep_a_normaliser():
    d, h, dk, dv, m = 64, 4, 8, 16, 24
    plain = linear_attention(d, n_heads=h, key_dim=dk).cost(d, CONTEXT)
    assert plain.params == d * h * (2 * dk + dv) + h * dv * d
    assert plain.state_bytes == 2 * h * dk * (dv + 1)
    assert plain.flops_per_token == 2 * plain.params + 4 * h * dk * (dv + 1)
    random = performer(d, n_heads=h, key_dim=dk, n_features=m).cost(d, CONTEXT)
    assert random.params == plain.params
    assert random.state_bytes == 2 * (h * m * (dv + 1) + h)
    assert random.flops_per_token == 2 * plain.params + 4 * h * m * (dv + 1) + 2 * 2 * h * dk * m


def test_hgrn2_projects_forget_gates_in_the_place_of_keys():
    d, h, dk = 64, 4, 8
    cost = hgrn2(d, n_heads=h, key_dim=dk).cost(d, CONTEXT)
    assert cost.params == d * (2 * h * dk + d) + h * dk + d + d * d


def test_mlstm_costs_the_published_formulas():
    d, h, dk, dv = 64, 4, 8, 16
    cost = mlstm(d, n_heads=h, key_dim=dk).cost(d, CONTEXT)
    assert cost.params == d * (2 * h * dk + 2 * h * dv) + 2 * d * h + 2 * h + h * dv + h * dv * d
    assert cost.state_bytes == 2 * (h * dk * (dv + 1) + h)


def test_deltanet_has_no_gate_and_a_strength_that_costs_nothing():
    one, two = (deltanet(64, n_heads=4, key_dim=8, beta_scale=scale).cost(64, CONTEXT) for scale in (1, 2))
    channels = 2 * 4 * 8 + 64
    assert one == two
    assert one.params == 64 * channels + 64 * 4 + channels * 4 + 16 + 64 * 64


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("decay_dim", {"decay_dim": "key"}),
        ("decay_dim", {"decay": "low_rank", "decay_rank": 4, "decay_dim": "key"}),
        ("decay_rank", {"decay": "step", "decay_dim": "key"}),
        ("decay_rank", {"decay": "sigmoid", "decay_dim": "key", "decay_rank": 4}),
        ("decay_scale", {"decay": "fixed", "decay_scale": 0.5}),
        ("decay_floor", {"decay": "learned", "decay_floor": 0.5}),
        ("write", {"decay": "step", "decay_dim": "key", "decay_rank": 4, "write": "step"}),
        ("write", {"decay": "learned", "decay_dim": "key", **EXP}),
        ("normaliser", {"write": "exp"}),
        ("normaliser", {"normaliser": "max"}),
        ("beta_scale", {"beta_scale": 2}),
        ("tied_keys", {"tied_keys": True}),
        ("tied_keys", {"tied_keys": True, "decay": "sigmoid"}),
        ("n_features", {**FAVOR, "n_features": None}),
        ("n_features", {"n_features": 8}),
        ("normaliser", {**FAVOR, "normaliser": "none"}),
        ("feature_map", {**FAVOR, "decay": "learned", "decay_dim": "key"}),
        ("feature_map", {"normaliser": "sum"}),
        ("feature_map", {**SUM, "feature_map": "silu"}),
        ("normaliser", {**SUM, **DELTA}),
        ("rope", {**SUM, "rope": True}),
        ("scale_queries", {**SUM, "scale_queries": False}),
        ("scale_queries", {"decay": "step", "write": "step", "scale_queries": False}),
        ("feature_map", {"feature_map": "silu", "conv_width": 4}),
        ("value_silu", {"value_silu": True, "conv_width": 4}),
        ("gate_activation", {"gate": False, "gate_activation": "sigmoid"}),
        ("gate_rank", {"gate": False, "gate_rank": 4}),
    ],
)
def test_recurrence_names_the_impossible_option(field, changes):
    problems = list(Recurrence(**(PLAIN | changes)).problems(D_MODEL))
    assert [problem.field for problem in problems] == [field]
    assert len(problems[0].reason) > 10


@pytest.mark.parametrize("name", MEMBERS)
def test_member_is_possible_and_knows_itself_at_other_sizes(name):
    config = Recurrence.model_validate({"n_heads": 2, "n_groups": 1, "key_dim": 6, "value_dim": 5, **MEMBERS[name]})
    assert list(config.problems(D_MODEL)) == []
    assert config.member == name
    assert config.label() == f"{name}·2h{config.n_features or 6}x5"
    assert config.model_copy(update={"skip": not config.skip}).member is None


@pytest.mark.parametrize(
    ("preset", "digest"),
    [
        (mamba2(32, n_heads=4, state_size=8), "9eb146a6c42c"),
        (retnet(32, n_heads=4, key_dim=8), "fc3fd21027d2"),
        (gated_deltanet(32, n_heads=4, key_dim=8), "064b32372bc8"),
    ],
)
def test_new_options_leave_old_digests_alone(preset, digest):
    assert preset.digest.startswith(digest)
