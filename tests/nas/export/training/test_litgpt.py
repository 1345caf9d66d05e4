"""The configs of litgpt: every field that decides what its model computes, and why others are refused."""

from typing import Any

import pytest
import yaml

from nas.export.training.litgpt import files, model_config
from nas.export.training.target import Refused
from search_spaces.architecture import Architecture
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo import ZOO
from tests.nas.export.training.models import BY_BIAS, LATENT, LITGPT_MODELS, D, attention, layer, model, twice

STREAM = {
    "name": "nas-architecture",
    "block_size": 4096,
    "n_layer": 2,
    "n_embd": D,
    "vocab_size": 64,
    "padded_vocab_size": 64,
    "norm_class_name": "RMSNorm",
    "norm_eps": 1e-5,
    "parallel_residual": False,
    "bias": False,
    "lm_head_bias": False,
    "rope_base": 10_000,
}
ATTENTION = {
    "n_head": 4,
    "head_size": 8,
    "n_query_groups": 2,
    "rotary_percentage": 1.0,
    "norm_qk": False,
    "attention_logit_softcapping": None,
}
FEED_FORWARD = {"mlp_class_name": "LLaMAMLP", "intermediate_size": 48}


def read(architecture: Architecture) -> dict[str, Any]:
    found = yaml.safe_load(files(architecture)["litgpt/model_config.yaml"])
    assert isinstance(found, dict)
    return found


def test_a_llama() -> None:
    assert read(twice(attention())) == {**STREAM, **ATTENTION, **FEED_FORWARD}


def test_layer_norm_gelu_and_partial_positions() -> None:
    assert read(LITGPT_MODELS["layer norm, gelu, partial rotary"]) == {
        **STREAM,
        **ATTENTION,
        "norm_class_name": "LayerNorm",
        "rotary_percentage": 0.5,
        "mlp_class_name": "GemmaMLP",
        "gelu_approximate": "tanh",
        "intermediate_size": 40,
    }


def test_norms_of_queries_and_a_soft_cap() -> None:
    found = read(LITGPT_MODELS["qk norm, soft cap, wide heads"])
    assert (found["norm_qk"], found["attention_logit_softcapping"], found["head_size"]) == (True, 5.0, 12)


def test_without_positions_no_channel_turns() -> None:
    assert read(LITGPT_MODELS["no positions"])["rotary_percentage"] == 0.0


def test_windows_are_said_layer_by_layer() -> None:
    found = read(LITGPT_MODELS["windows in some layers"])
    assert (found["sliding_window_size"], found["sliding_window_indices"]) == (4, [1, 0])


def test_experts_by_softmax() -> None:
    found = read(ZOO["mixtral"].build(D, 64))
    experts = {name: found[name] for name in found if "expert" in name or name.startswith(("moe", "mlp", "routed"))}
    assert experts == {
        "mlp_class_name": "LLaMAMoE",
        "n_expert": 8,
        "n_expert_per_token": 2,
        "moe_intermediate_size": D,
        "n_shared_expert": None,
        "routed_scaling_factor": 1.0,
    }


def test_a_sigmoid_router_is_one_of_groups_that_are_all_kept() -> None:
    found = read(LITGPT_MODELS["experts by bias behind a dense layer"])
    assert (found["first_k_dense_replace"], found["intermediate_size"], found["n_shared_expert"]) == (1, 48, 2)
    assert (found["routed_scaling_factor"], found["norm_topk_prob"]) == (2.5, True)
    assert (found["n_expert_groups"], found["n_topk_groups"], found["n_topk_scores_per_group"]) == (2, 2, 1)
    alone = read(LITGPT_MODELS["five experts by bias"])
    assert (alone["n_expert_groups"], alone["n_topk_groups"], alone["norm_topk_prob"]) == (5, 5, False)


def test_latent_attention() -> None:
    found = read(LITGPT_MODELS["latent"])
    assert found["latent_attention"] == {
        "q_lora_rank": 12,
        "kv_lora_rank": 8,
        "qk_rope_head_dim": 4,
        "qk_nope_head_dim": 8,
        "v_head_dim": 6,
    }


def test_pretraining_carries_the_model_the_tie_and_the_recipe() -> None:
    texts = files(LITGPT_MODELS["layer norm, gelu, partial rotary"])
    found = yaml.safe_load(texts["litgpt/pretrain.yaml"])
    assert found["model_config"] == yaml.safe_load(texts["litgpt/model_config.yaml"])
    assert found["train"] == {
        "global_batch_size": 32,
        "micro_batch_size": 32,
        "max_tokens": 1200 * 32 * 64,
        "max_seq_length": 64,
        "lr_warmup_steps": 120,
        "max_norm": 1.0,
        "min_lr": 0.0003,
        "tie_embeddings": False,
    }
    assert found["optimizer"] == {
        "class_path": "torch.optim.AdamW",
        "init_args": {"lr": 0.003, "weight_decay": 0.1, "betas": [0.9, 0.98]},
    }


def test_both_files_name_the_version_and_what_training_leaves_out() -> None:
    for text in files(ZOO["mixtral"].build()).values():
        assert text.startswith("# for litgpt 0.5.13")
        assert "# experts are not balanced in training by litgpt: no balance loss" in text
    assert "balanced" not in files(ZOO["transformer"].build())["litgpt/pretrain.yaml"]


@pytest.mark.parametrize(
    ("field", "architecture"),
    [
        ("core[0].mixers[0].output_gate", twice(attention(output_gate=True))),
        ("core[0].mixers[0].sink", twice(attention(sink=True))),
        ("core[1].mixers[0].rope", model(layer(attention()), layer(attention(rope=False)))),
        ("core[0].mixers[0].kv_bits", twice(attention(kv_bits=8))),
        ("core[0].mixers[0].qk_norm", model(*(layer(attention(qk_norm=True)),) * 2, norm="layer")),
        ("core[1].mixers[0].window", model(layer(attention(window=4)), layer(attention(window=8)))),
        ("core[1].mixers[0].n_heads", model(layer(attention()), layer(attention(n_heads=2)))),
        ("core[1].mixers[0]", model(layer(attention()), layer(LATENT))),
        ("core[0].mixers[0].q_rank", twice(LATENT.model_copy(update={"q_rank": None}))),
        ("core[0].channel.activation", twice(attention(), SwiGLU(d_ff=40, activation="relu2"))),
        ("core[0].channel.sub_norm", twice(attention(), SwiGLU(d_ff=40, sub_norm=True))),
        ("core[1].channel.d_ff", model(layer(attention()), layer(attention(), SwiGLU(d_ff=40)))),
        ("core[1].channel", model(layer(attention(), BY_BIAS), layer(attention()))),
        (
            "core[0].channel.activation",
            model(layer(attention(), SwiGLU(d_ff=8, activation="gelu")), layer(attention(), BY_BIAS)),
        ),
        ("core[0].channel.normalise", twice(attention(), MoE(n_experts=4, top_k=2, d_expert=8, normalise=False))),
        ("core[0].channel.n_zero", twice(attention(), MoE(n_experts=4, top_k=2, d_expert=8, n_zero=1))),
        ("core[0].channel.shared_gate", twice(attention(), BY_BIAS.model_copy(update={"shared_gate": True}))),
        ("core[1].channel", model(layer(attention()), layer(attention(), channel=None))),
        ("norm", model(*(layer(attention()),) * 2, norm="dyt")),
    ],
)
def test_what_its_code_does_not_compute_is_refused_by_the_field(field: str, architecture: Architecture) -> None:
    with pytest.raises(Refused) as refused:
        model_config(architecture)
    assert refused.value.field == field
