"""Attention layers against those of transformers, through the weight mappings, both ways."""

import inspect
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers

from nas.export.huggingface import (
    bamba,
    gpt_oss,
    granitemoehybrid,
    jamba,
    lfm2,
    llama,
    minimax,
    mistral,
    mixtral,
    nemotron_h,
    qwen3,
    qwen3_next,
    recurrent_gemma,
)
from nas.export.huggingface.rules import Rules, from_transformers
from search_spaces.primitives.attention import Attention
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised, weights_of
from workers.model.layers import Pass, part

D, T = 32, 45
SIZES = {
    "hidden_size": D, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5,
    "norm_eps": 1e-5, "num_hidden_layers": 1, "vocab_size": 8, "pad_token_id": None, "attn_implementation": "eager",
    "mamba_n_heads": 4, "mamba_d_head": 16,
}  # fmt: skip
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}


def heads(**fields: Any) -> Attention:
    return Attention(**{"n_heads": 4, "n_kv_heads": 2, "head_dim": 8} | fields)


@dataclass(frozen=True)
class Case:
    """A family of transformers, the start of its classes' names, ours, the rules, and what its config says beside sizes."""

    model_type: str
    prefix: str
    ours: Attention
    rules: Rules
    fields: dict[str, object]


def case(family: ModuleType, prefix: str, ours: Attention, **fields: object) -> Case:
    return Case(family.__name__.rsplit(".", 1)[1], prefix, ours, family.attention_rules(ours), fields)


FULL, GEMMA = {"layer_types": ["full_attention"]}, heads(soft_cap=3.0)
CASES = {
    "llama": case(llama, "Llama", heads(), rope_parameters=ROPE),
    "mistral": case(mistral, "Mistral", heads(window=7), rope_parameters=ROPE),
    "mixtral": case(mixtral, "Mixtral", heads(), rope_parameters=ROPE),
    "qwen3": case(qwen3, "Qwen3", heads(qk_norm=True), rope_parameters=ROPE),
    "qwen3_next": case(
        qwen3_next, "Qwen3Next", heads(qk_norm=True, output_gate=True, rotary_fraction=0.25), **FULL,
        rope_parameters=ROPE | {"partial_rotary_factor": 0.25},
    ),
    "gpt_oss": case(
        gpt_oss, "GptOss", heads(sink=True, window=7), attention_bias=False, rope_parameters=ROPE,
        layer_types=["sliding_attention"],
    ),
    "gemma2": Case(
        "gemma2", "Gemma2", GEMMA, llama.projections(GEMMA), {"attn_logit_softcapping": 3.0, "query_pre_attn_scalar": 8},
    ),
    "lfm2": case(lfm2, "Lfm2", heads(qk_norm=True), **FULL, rope_parameters=ROPE),
    "minimax": case(minimax, "MiniMax", heads(window=7), **FULL, rope_parameters=ROPE),
    "jamba": case(jamba, "Jamba", heads(rope=False)),
    "nemotron_h": case(nemotron_h, "NemotronH", heads(rope=False), layers_block_type=["full_attention"]),
    "granitemoehybrid": case(granitemoehybrid, "GraniteMoeHybrid", heads(), **FULL, attention_multiplier=8**-0.5),
    "bamba": case(
        bamba, "Bamba", heads(rotary_fraction=0.5), attn_layer_indices=[0],
        rope_parameters=ROPE | {"partial_rotary_factor": 0.5},
    ),
    "recurrent_gemma": case(
        recurrent_gemma, "RecurrentGemma", heads(window=7, rotary_fraction=0.5), attention_window_size=7,
        block_types=["attention"], rope_parameters=ROPE | {"partial_rotary_factor": 0.5},
    ),
}  # fmt: skip


def causal_mask(window: int | None) -> torch.Tensor:
    seen = [[0 <= t - j < (window or T) for j in range(T)] for t in range(T)]
    return torch.tensor([[[[0.0 if sees else float("-inf") for sees in row] for row in seen]]])


def outputs_of(theirs, rotary, x_BTD, window):
    """Called with what its forward takes."""
    positions = torch.arange(T)[None]
    given = {"attention_mask": causal_mask(window), "position_ids": positions, "use_cache": False}
    if rotary is not None:
        given["position_embeddings"] = rotary(x_BTD, positions)
    taken = inspect.signature(theirs.forward).parameters
    return theirs(x_BTD, **{name: value for name, value in given.items() if name in taken})[0]


@pytest.mark.parametrize("name", CASES)
def test_attention_equals_transformers(name):
    chosen = CASES[name]
    module = import_module(f"transformers.models.{chosen.model_type}.modeling_{chosen.model_type}")
    config = getattr(transformers, f"{chosen.prefix}Config")(**SIZES | chosen.fields)
    rotary = getattr(module, f"{chosen.prefix}RotaryEmbedding", None)
    theirs: Any = randomised(getattr(module, f"{chosen.prefix}Attention")(config, 0))
    if name == "recurrent_gemma":
        torch.nn.init.zeros_(theirs.o_proj.bias)
    weights = weights_of(theirs)
    layer = load(part(chosen.ours, D), from_transformers(chosen.rules, weights))
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = outputs_of(theirs, rotary and rotary(config), x_BTD, chosen.ours.window)
        assert_equal(layer(x_BTD, Pass(torch.arange(T))), expected)
    assert_way_back(chosen.rules, weights, ("norm",) if name == "qwen3_next" else ())


@pytest.mark.parametrize(
    ("family", "config", "reason"),
    [
        (llama, heads(window=8), "window 8: transformers' llama only has None"),
        (llama, heads(rope=False), "rope False: transformers' llama only has True"),
        (mistral, heads(window=8, n_global=1), "n_global 1"),
        (qwen3, heads(), "qk_norm False: transformers' qwen3 always has True"),
        (qwen3_next, heads(qk_norm=True), "output_gate False: transformers' qwen3_next always has True"),
        (gpt_oss, heads(sink=True, soft_cap=3.0), "soft_cap 3.0"),
        (jamba, heads(), "rope True: transformers' jamba always has False"),
        (recurrent_gemma, heads(), "window: transformers' recurrent_gemma always has one"),
    ],
)
def test_family_refuses_attention_it_does_not_have(family, config, reason):
    with pytest.raises(ValueError, match=reason):
        family.attention_rules(config)


def test_biases_that_ours_lacks_must_be_zero():
    chosen = CASES["recurrent_gemma"]
    shapes = {"q_proj.weight": (32, D), "k_proj.weight": (16, D), "v_proj.weight": (16, D), "o_proj.weight": (D, 32)}
    weights = {name: torch.zeros(shape).numpy() for name, shape in shapes.items()}
    with pytest.raises(ValueError, match=r"o_proj\.bias is not zero"):
        from_transformers(chosen.rules, weights | {"o_proj.bias": torch.ones(D).numpy()})
