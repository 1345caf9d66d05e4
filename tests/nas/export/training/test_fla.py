"""The config.json of flash-linear-attention: every field that decides what its model computes, and why others are refused."""

import json
from typing import Any

import pytest

from nas.export.training.fla import config, files
from nas.export.training.target import Refused
from search_spaces.architecture import Architecture, Layer
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.recurrence import kda, lightning
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo import ZOO
from tests.nas.export.training.models import (
    BY_BIAS,
    DELTA,
    DENSE,
    FLA_MODELS,
    GATED_DELTA,
    GLA,
    LATENT,
    LINEAR,
    RETNET,
    SHARED_KEYS,
    SSD,
    D,
    attention,
    changed,
    layer,
    model,
    twice,
)

STREAM = {
    "vocab_size": 64,
    "hidden_size": D,
    "num_hidden_layers": 2,
    "tie_word_embeddings": True,
    "norm_eps": 1e-5,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
FEED_FORWARD = {"intermediate_size": 48, "hidden_act": "swish"}
NO_ATTENTION = {"attn": None, "max_position_embeddings": 131_072}
ATTENTION = {"num_heads": 4, "num_kv_heads": 2, "qkv_bias": False, "window_size": None, "rope_theta": 10_000.0}


def read(architecture: Architecture) -> dict[str, Any]:
    found = json.loads(files(architecture)["fla/config.json"])
    assert isinstance(found, dict)
    return found


def own(architecture: Architecture) -> dict[str, Any]:
    """What a config says beside what every one of these models says."""
    shared = {**STREAM, **FEED_FORWARD, **NO_ATTENTION}
    found = read(architecture)
    assert {name: found[name] for name in shared} == shared
    return {name: value for name, value in found.items() if name not in shared}


def test_a_transformer() -> None:
    found = read(FLA_MODELS["qk norm, window, untied"])
    assert found == {
        **STREAM,
        **FEED_FORWARD,
        **ATTENTION,
        "model_type": "transformer",
        "architectures": ["TransformerForCausalLM"],
        "window_size": 5,
        "qk_norm": True,
        "max_position_embeddings": 131_072,
        "tie_word_embeddings": False,
    }


def test_retention_is_without_a_convolution_and_its_norm_without_weights() -> None:
    assert own(twice(RETNET)) == {
        "model_type": "retnet",
        "architectures": ["RetNetForCausalLM"],
        "num_heads": 4,
        "expand_k": 1,
        "expand_v": 2,
        "use_short_conv": False,
        "feature_map": None,
        "use_output_gate": True,
        "elementwise_affine": False,
    }


def test_gated_linear_attention() -> None:
    assert own(twice(changed(GLA, conv_width=3, feature_map="relu"))) == {
        "model_type": "gla",
        "architectures": ["GLAForCausalLM"],
        "num_heads": 4,
        "expand_k": 1,
        "expand_v": 1,
        "use_short_conv": True,
        "conv_size": 3,
        "feature_map": "relu",
        "use_output_gate": True,
        "clamp_min": None,
        "elementwise_affine": True,
    }


def test_the_delta_rule() -> None:
    assert own(twice(changed(DELTA, beta_scale=2))) == {
        "model_type": "delta_net",
        "architectures": ["DeltaNetForCausalLM"],
        "num_heads": 4,
        "expand_k": 1,
        "expand_v": 1,
        "use_short_conv": True,
        "conv_size": 4,
        "use_gate": False,
        "use_beta": True,
        "allow_neg_eigval": True,
        "qk_norm": "l2",
        "qk_activation": "silu",
    }


def test_the_gated_delta_rule_says_key_heads_and_value_heads() -> None:
    found = own(twice(SHARED_KEYS))
    # fla takes int(head_dim * expand_v) as the size of a value head
    assert int(24 * found.pop("expand_v")) == 40
    assert found == {
        "model_type": "gated_deltanet",
        "architectures": ["GatedDeltaNetForCausalLM"],
        "num_heads": 2,
        "num_v_heads": 4,
        "head_dim": 24,
        "use_short_conv": True,
        "conv_size": 4,
        "use_gate": True,
        "output_gate_activation": "sigmoid",
        "allow_neg_eigval": True,
    }


@pytest.mark.parametrize(("key_dim", "value_dim"), [(7, 61), (11, 15), (24, 40), (16, 8)])
def test_factors_come_back_as_whole_sizes(key_dim: int, value_dim: int) -> None:
    found = own(twice(changed(GATED_DELTA, key_dim=key_dim, value_dim=value_dim)))
    # fla cuts off what is behind the point
    assert int(found["head_dim"] * found["expand_v"]) == value_dim


def test_linear_attention() -> None:
    assert own(twice(LINEAR)) == {
        "model_type": "linear_attn",
        "architectures": ["LinearAttentionForCausalLM"],
        "num_heads": 4,
        "expand_k": 1,
        "expand_v": 1,
        "feature_map": "elu",
        "tie_feature_map_qk": False,
        "norm_q": False,
        "norm_k": False,
        "norm_feature_map": True,
        "elementwise_affine": True,
    }


def test_a_hybrid_lists_its_attention_layers_by_what_they_are() -> None:
    found = read(FLA_MODELS["hybrid"])
    assert found["model_type"] == "gated_deltanet"
    assert found["attn"] == [
        {**ATTENTION, "layers": [2]},
        {**ATTENTION, "layers": [3], "num_kv_heads": 4, "window_size": 4},
    ]


def test_mamba_has_no_feed_forward() -> None:
    assert read(FLA_MODELS["mamba"]) == {
        **STREAM,
        "model_type": "mamba",
        "architectures": ["MambaForCausalLM"],
        "dt_rank": 3,
        "state_size": 8,
        "expand": 2,
        "conv_kernel": 4,
        "use_conv_bias": True,
        "use_bias": False,
        "hidden_act": "silu",
    }


def test_mamba2_gates_before_its_norm() -> None:
    assert read(twice(SSD, channel=None)) == {
        **STREAM,
        "model_type": "mamba2",
        "architectures": ["Mamba2ForCausalLM"],
        "head_dim": 8,
        "state_size": 16,
        "n_groups": 1,
        "expand": 2,
        "conv_kernel": 4,
        "use_conv_bias": True,
        "use_bias": False,
        "rmsnorm": True,
        "norm_before_gate": False,
        "D_has_hdim": False,
        "hidden_act": "silu",
    }


def test_samba_is_asked_for_the_width_by_its_ratio() -> None:
    found = read(FLA_MODELS["samba"])
    assert found["hidden_ratio"] == 12
    assert "intermediate_size" not in found
    assert found["attn"] == [{**ATTENTION, "layers": [1], "window_size": 4}]
    assert (found["model_type"], found["time_step_rank"], found["state_size"]) == ("samba", 2, 16)
    assert read(ZOO["samba"].build(128))["hidden_ratio"] == 3


def test_latent_attention() -> None:
    found = read(twice(LATENT))
    ranks = {name: found[name] for name in found if name.endswith(("rank", "dim"))}
    assert ranks == {
        "q_lora_rank": 12,
        "kv_lora_rank": 8,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 4,
        "qk_head_dim": 12,
        "v_head_dim": 6,
    }


@pytest.mark.parametrize(
    ("field", "architecture"),
    [
        ("core[0].mixers[0].decay_rank", twice(changed(GLA, decay_rank=8))),
        ("core[0].mixers[0].conv_width", twice(changed(RETNET, conv_width=4))),
        ("core[0].mixers[0].n_groups", twice(changed(GLA, n_groups=2))),
        ("core[0].mixers[0].token_shift", twice(changed(GATED_DELTA, token_shift=True))),
        ("core[0].mixers[0].conv_bias", twice(changed(GATED_DELTA, conv_bias=True))),
        ("core[0].mixers[0].out_norm", twice(changed(GATED_DELTA, out_norm="width"))),
        ("core[0].mixers[0].feature_map", twice(changed(DELTA, conv_width=0))),
        ("core[0].mixers[0].feature_map", twice(changed(DELTA, feature_map="relu"))),
        ("core[0].mixers[0].value_silu", twice(changed(DELTA, conv_width=0, feature_map="silu"))),
        ("core[0].mixers[0].out_norm", twice(changed(LINEAR, out_norm="none"))),
        ("core[0].mixers[0].n_groups", twice(changed(SSD, n_groups=2), channel=None)),
        ("core[0].mixers[0].conv_width", twice(changed(SSD, conv_width=0, conv_bias=False), channel=None)),
        ("core[0].mixers[0].skip", twice(changed(SSD, skip=False), channel=None)),
        ("core[0].mixers[0].gate_rank", twice(kda(D, n_heads=4, key_dim=8))),
        ("core[0].mixers[0].decay", twice(lightning(D, n_heads=4))),
        ("core[0].mixers[0].head_dim", twice(attention(head_dim=16))),
        ("core[0].mixers[0].rope", twice(attention(rope=False))),
        ("core[0].mixers[0].rotary_fraction", twice(attention(rotary_fraction=0.5))),
        ("core[1].mixers[0].window", model(layer(attention()), layer(attention(window=4)))),
        ("core[1].mixers[0].qk_norm", model(layer(GATED_DELTA), layer(attention(qk_norm=True)))),
        ("core[1].mixers[0].key_dim", model(layer(GATED_DELTA), layer(changed(GATED_DELTA, key_dim=16)))),
        ("core[1].mixers[0].decay", model(layer(GATED_DELTA), layer(GLA))),
        ("core[1].mixers[0]", model(layer(GATED_DELTA), layer(Mamba()))),
        ("core[1].channel.d_ff", model(layer(GLA), layer(GLA, SwiGLU(d_ff=40)))),
        ("core[1].channel", model(layer(GLA), layer(GLA, channel=None))),
        ("core[0].channel.activation", twice(GLA, SwiGLU(d_ff=40, activation="gelu"))),
        ("core[0].channel", twice(SSD, DENSE)),
        ("core[0].channel", twice(attention(), BY_BIAS)),
        ("core[0].mixers", model(Layer(mixers=(attention(), GLA), channel=DENSE))),
        ("core[0].mixers[0]", model(Layer(channel=DENSE))),
        ("core[0].channel.d_ff", twice(Mamba())),
        ("core[0].mixers[0].value_dim", twice(LATENT.model_copy(update={"value_dim": 16}))),
        ("core[0].mixers[0]", model(Layer(mixers=(RWKV6(n_heads=4, head_dim=8),), channel=DENSE))),
        ("norm", model(*(layer(GLA),) * 2, norm="layer")),
    ],
)
def test_what_its_code_does_not_compute_is_refused_by_the_field(field: str, architecture: Architecture) -> None:
    with pytest.raises(Refused) as refused:
        config(architecture)
    assert refused.value.field == field
