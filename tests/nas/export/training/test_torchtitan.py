"""The config registry of torchtitan: a module that compiles, its literals, and why other architectures are refused."""

import ast
from typing import Any

import pytest

from nas.export.training.target import Refused
from nas.export.training.torchtitan import files
from search_spaces.architecture import Architecture
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo import ZOO
from tests.nas.export.training.models import (
    BY_BIAS,
    GLA,
    LATENT,
    TORCHTITAN_MODELS,
    attention,
    layer,
    literals_of,
    model,
    twice,
)


def module_of(architecture: Architecture) -> str:
    return files(architecture)["torchtitan/nas_architecture.py"]


def layers_of(architecture: Architecture) -> list[dict[str, Any]]:
    layers = literals_of(module_of(architecture))["LAYERS"]
    assert isinstance(layers, list)
    return layers


@pytest.mark.parametrize("name", TORCHTITAN_MODELS)
def test_the_module_compiles_and_calls_what_it_defines(name: str) -> None:
    tree = ast.parse(module_of(TORCHTITAN_MODELS[name]))
    taken = {node.name: {arg.arg for arg in node.args.args} for node in tree.body if isinstance(node, ast.FunctionDef)}
    for said in layers_of(TORCHTITAN_MODELS[name]):
        assert said.keys() <= taken["_layer"]
        assert said["attention"].keys() == taken["_attention"]
        assert said.get("moe", dict.fromkeys(taken["_moe"])).keys() == taken["_moe"]
    assert {"model", "pretrain"} <= taken.keys()


def test_layers_say_what_sets_them_apart() -> None:
    assert layers_of(TORCHTITAN_MODELS["layers that differ"]) == [
        {"attention": {"n_heads": 4, "n_kv_heads": 2, "head_dim": 12, "qk_norm": True, "window": None}, "hidden_dim": 48},
        {"attention": {"n_heads": 4, "n_kv_heads": 2, "head_dim": 8, "qk_norm": False, "window": None}, "hidden_dim": 40},
    ]


def test_windows_need_the_attention_that_takes_them_layer_by_layer() -> None:
    found = literals_of(module_of(TORCHTITAN_MODELS["windows of two sizes"]))
    assert found["BACKEND"] == "varlen"
    assert [said["attention"]["window"] for said in found["LAYERS"]] == [4, None, 1]
    # its windows count the tokens before the current one, ours that one too
    assert "inner_attention.window_size = (window - 1, 0)" in module_of(TORCHTITAN_MODELS["windows of two sizes"])


@pytest.mark.parametrize("name", ["layers that differ", "latent"])
def test_every_norm_has_our_epsilon_and_positions_turn_halves(name: str) -> None:
    module = module_of(TORCHTITAN_MODELS[name])
    assert module.count("RMSNorm.Config(") == module.count("RMSNorm.Config(normalized_shape=size, eps=NORM_EPS, ") == 1
    assert "CosSinRoPE.Config(dim=size, max_seq_len=MAX_SEQ_LEN, theta=ROPE_THETA)" in module
    assert ("config.q_norm.eps = config.kv_norm.eps = NORM_EPS" in module) == (name == "latent")


def test_equal_layers_are_said_once() -> None:
    module = module_of(ZOO["transformer"].build())
    assert "] * 4,\n" in module
    assert len(layers_of(ZOO["transformer"].build())) == 4


def test_experts_by_bias() -> None:
    _, routed = layers_of(TORCHTITAN_MODELS["experts by bias behind a dense layer"])
    assert routed["moe"] == {
        "num_experts": 6,
        "top_k": 2,
        "hidden_dim": 16,
        "shared_hidden_dim": 32,
        "score_func": "sigmoid",
        "route_norm": True,
        "route_scale": 2.5,
        "load_balance_coeff": 0.01,
    }


def test_experts_by_softmax_are_not_balanced_and_the_module_says_so() -> None:
    module = module_of(ZOO["deepseek_moe"].build())
    first = literals_of(module)["LAYERS"][1]["moe"]
    assert (first["score_func"], first["route_norm"], first["load_balance_coeff"]) == ("softmax", False, None)
    assert "torchtitan has no balance loss" in module
    assert "no balance loss" not in module_of(TORCHTITAN_MODELS["latent experts"])


def test_latent_attention_is_of_deepseek_v3() -> None:
    module = module_of(TORCHTITAN_MODELS["latent"])
    assert "from torchtitan.models.deepseek_v3.model import DeepSeekV3Model, DeepSeekV3TransformerBlock" in module
    assert literals_of(module)["LAYERS"][0]["attention"]["q_lora_rank"] == 0


def test_the_rest_is_the_model_and_the_recipe() -> None:
    found = literals_of(module_of(TORCHTITAN_MODELS["layers that differ"]))
    found.pop("LAYERS")
    assert found == {
        "DIM": 32,
        "VOCAB_SIZE": 64,
        "TIED": False,
        "NORM_EPS": 1e-5,
        "ROPE_THETA": 10_000.0,
        "MAX_SEQ_LEN": 131_072,
        "BACKEND": "flex",
        "STEPS": 1200,
        "WARMUP_STEPS": 120,
        "LEARNING_RATE": 0.003,
        "FINAL_FRACTION": 0.1,
        "BETAS": (0.9, 0.98),
        "WEIGHT_DECAY": 0.1,
        "MAX_NORM": 1.0,
        "BATCH_SIZE": 32,
        "SEQ_LEN": 64,
    }


@pytest.mark.parametrize(
    ("field", "architecture"),
    [
        ("core[0].mixers[0].n_global", twice(attention(window=4, n_global=1))),
        ("core[0].mixers[0].rope", twice(attention(rope=False))),
        ("core[0].mixers[0].rotary_fraction", twice(attention(rotary_fraction=0.5))),
        ("core[0].mixers[0].soft_cap", twice(attention(soft_cap=5.0))),
        ("core[0].mixers[0].rope", twice(LATENT.model_copy(update={"rope": False}))),
        ("core[1].mixers[0]", model(layer(LATENT), layer(attention()))),
        ("core[0].mixers[0]", twice(GLA)),
        ("core[0].channel.activation", twice(attention(), SwiGLU(d_ff=40, activation="gelu"))),
        ("core[0].channel.capacity", twice(attention(), BY_BIAS.model_copy(update={"capacity": 2.0}))),
        ("core[0].channel.shared_gate", twice(attention(), BY_BIAS.model_copy(update={"shared_gate": True}))),
        ("core", model(layer(attention(), BY_BIAS), layer(attention(), MoE(n_experts=4, top_k=2, d_expert=8)))),
        ("norm", model(*(layer(attention()),) * 2, norm="layer")),
    ],
)
def test_what_its_code_does_not_compute_is_refused_by_the_field(field: str, architecture: Architecture) -> None:
    with pytest.raises(Refused) as refused:
        files(architecture)
    assert refused.value.field == field
