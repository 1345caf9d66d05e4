"""One small model of every family that has rules for whole models: theirs by its config, ours by its architecture."""

from types import ModuleType
from typing import Any

import torch
import transformers

from nas.export.huggingface import (
    bamba,
    bitnet,
    deepseek_v3,
    ernie4_5_moe,
    falcon_h1,
    granitemoehybrid,
    jamba,
    kimi_linear,
    lfm2,
    llama,
    mamba,
    mamba2,
    mistral,
    mixtral,
    nemotron_h,
    qwen2_moe,
    qwen3,
    qwen3_moe,
    qwen3_next,
    recurrent_gemma,
    rwkv,
    smollm3,
)
from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives import Channel, Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import gated_deltanet, kda
from search_spaces.primitives.recurrence import mamba2 as mamba2_preset
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from tests.nas.export.huggingface.comparison import randomised
from workers.model.layers.norm import EPS

D, V = 32, 50
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}


def attention(**fields: Any) -> Attention:
    return Attention(**{"n_heads": 4, "n_kv_heads": 2, "head_dim": 8} | fields)


def stacked(*layers: tuple[Mixer, Channel | None], tied: bool = False, **fields: Any) -> Architecture:
    core = tuple(Layer(mixers=(mixer,), channel=channel) for mixer, channel in layers)
    return Architecture(d_model=D, input=TokenInput(vocab_size=V, tie_embeddings=tied), core=core, **fields)


def parallel(*layers: tuple[Mixer, Mixer, Channel], tied: bool = False) -> Architecture:
    core = tuple(Layer(mixers=layer[:2], channel=layer[2]) for layer in layers)
    return Architecture(d_model=D, input=TokenInput(vocab_size=V, tie_embeddings=tied), core=core)


EAGER = {"attn_implementation": "eager", "experts_implementation": "eager"}
BASE = {"vocab_size": V, "hidden_size": D, "pad_token_id": None} | EAGER
HEADS = BASE | {"num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": EPS}
DENSE = HEADS | {"intermediate_size": 48, "num_hidden_layers": 2, "rope_parameters": ROPE}
MAMBA2 = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 12,
    "mamba_expand": 2,
    "mamba_n_groups": 2,
    "mamba_chunk_size": 16,
}
LATENT = {
    "num_key_value_heads": 4, "kv_lora_rank": 12, "qk_nope_head_dim": 6, "qk_rope_head_dim": 8, "v_head_dim": 10,
    "n_group": 1, "topk_group": 1, "moe_intermediate_size": 16, "n_shared_experts": 2, "num_experts_per_tok": 2,
}  # fmt: skip

GATED = SwiGLU(d_ff=48)
SSD = mamba2_preset(D, n_heads=4, state_size=12, n_groups=2)
EXPERTS = MoE(n_experts=5, top_k=2, d_expert=48)
BIASED = MoE(n_experts=6, top_k=2, d_expert=16, n_shared=2, balance="bias")
SCALED = BIASED.model_copy(update={"normalise": True, "scale": 2.5})
SHARED = MoE(n_experts=5, top_k=2, d_expert=16, n_shared=2)
latent = MLA(n_heads=4, kv_rank=12, q_rank=10, nope_dim=6, rope_dim=8, value_dim=10)

CASES: dict[str, tuple[ModuleType, str, dict[str, Any], Architecture]] = {
    "llama": (llama, "Llama", DENSE, stacked((attention(), GATED), (attention(), GATED))),
    "llama_tied": (
        llama, "Llama", DENSE | {"tie_word_embeddings": True},
        stacked((attention(), GATED), (attention(), GATED), tied=True),
    ),
    "mistral": (
        mistral, "Mistral", DENSE | {"sliding_window": 6}, stacked(*2 * [(attention(window=6), GATED)]),
    ),
    "qwen3": (
        qwen3, "Qwen3", DENSE | {
            "head_dim": 8, "use_sliding_window": True, "sliding_window": 6,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        stacked((attention(qk_norm=True, window=6), GATED), (attention(qk_norm=True), GATED)),
    ),
    "smollm3": (
        smollm3, "SmolLM3", DENSE | {
            "use_sliding_window": True, "sliding_window": 6, "num_hidden_layers": 3, "no_rope_layers": [1, 0, 1],
            "layer_types": ["sliding_attention", "full_attention", "full_attention"], "tie_word_embeddings": False,
        },
        stacked(*((attention(**fields), GATED) for fields in ({"window": 6}, {"rope": False}, {}))),
    ),
    "qwen3_moe": (
        qwen3_moe, "Qwen3Moe", DENSE | {
            "head_dim": 8, "mlp_only_layers": [1], "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
            "norm_topk_prob": False, "use_sliding_window": True, "sliding_window": 6,
        },
        stacked(
            (normed := attention(qk_norm=True, window=6), MoE(n_experts=5, top_k=2, d_expert=16, normalise=False)),
            (normed, GATED),
        ),
    ),
    "qwen2_moe": (
        qwen2_moe, "Qwen2Moe", DENSE | {
            "mlp_only_layers": [1], "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 16,
            "norm_topk_prob": False, "shared_expert_intermediate_size": 32, "qkv_bias": False, "use_sliding_window": True,
            "sliding_window": 6, "layer_types": ["full_attention", "sliding_attention"],
        },
        stacked(
            (attention(), SHARED.model_copy(update={"shared_gate": True, "normalise": False})), (attention(window=6), GATED),
        ),
    ),
    "ernie4_5_moe": (
        ernie4_5_moe, "Ernie4_5_Moe", DENSE | {
            "num_hidden_layers": 4, "moe_layer_start_index": 1, "moe_layer_interval": 2, "moe_num_experts": 5, "moe_k": 2,
            "moe_intermediate_size": 16, "moe_num_shared_experts": 2, "tie_word_embeddings": False,
        },
        stacked((attention(), GATED), (attention(), SHARED), (attention(), GATED), (attention(), SHARED)),
    ),
    "mixtral": (
        mixtral, "Mixtral", DENSE | {"num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": None},
        stacked(*2 * [(attention(), EXPERTS)]),
    ),
    "deepseek_v3": (
        deepseek_v3, "DeepseekV3",
        DENSE | LATENT | {
            "num_hidden_layers": 3, "first_k_dense_replace": 1, "n_routed_experts": 6, "q_lora_rank": 10,
            "norm_topk_prob": True, "routed_scaling_factor": 2.5,
        },
        stacked((latent, GATED), *2 * [(latent, SCALED)]),
    ),
    "bitnet": (
        bitnet, "BitNet", DENSE,
        stacked(*2 * [(attention(sub_norm=True), SwiGLU(d_ff=48, activation="relu2", sub_norm=True))]),
    ),
    "lfm2": (
        lfm2, "Lfm2",
        {name: value for name, value in DENSE.items() if name != "rms_norm_eps"} | {
            "norm_eps": EPS, "conv_L_cache": 3, "block_auto_adjust_ff_dim": False, "num_hidden_layers": 3,
            "layer_types": ["conv", "full_attention", "conv"],
        },
        stacked((ShortConv(), GATED), (attention(qk_norm=True), GATED), (ShortConv(), GATED), tied=True),
    ),
    "jamba": (
        jamba, "Jamba",
        HEADS | {
            "intermediate_size": 48, "num_hidden_layers": 4, "attn_layer_period": 3, "attn_layer_offset": 1,
            "expert_layer_period": 2, "expert_layer_offset": 1, "num_experts": 5, "num_experts_per_tok": 2,
            "mamba_d_state": 6, "mamba_d_conv": 3, "mamba_dt_rank": 4,
        },
        stacked(
            (scan := Mamba(state_size=6, conv_width=3, dt_rank=4, bcdt_norm=True), GATED),
            (attention(rope=False), softmax := EXPERTS.model_copy(update={"normalise": False})),
            (scan, GATED), (scan, softmax),
        ),
    ),
    "granitemoehybrid": (
        granitemoehybrid, "GraniteMoeHybrid",
        HEADS | MAMBA2 | {
            "num_local_experts": 0, "shared_intermediate_size": 48, "num_hidden_layers": 2, "attention_multiplier": 8**-0.5,
            "position_embedding_type": None, "layer_types": ["linear_attention", "full_attention"],
        },
        stacked((SSD, GATED), (attention(rope=False), GATED)),
    ),
    "granitemoehybrid_experts": (
        granitemoehybrid, "GraniteMoeHybrid",
        HEADS | MAMBA2 | {
            "num_local_experts": 5, "num_experts_per_tok": 2, "intermediate_size": 16, "shared_intermediate_size": 32,
            "num_hidden_layers": 2, "attention_multiplier": 8**-0.5, "position_embedding_type": "rope",
            "rope_parameters": ROPE, "layer_types": ["linear_attention", "full_attention"],
        },
        stacked((SSD, SHARED), (attention(), SHARED)),
    ),
    "bamba": (
        bamba, "Bamba",
        HEADS | MAMBA2 | {
            "intermediate_size": 48, "num_hidden_layers": 2, "attn_layer_indices": [1],
            "rope_parameters": ROPE | {"partial_rotary_factor": 0.5},
        },
        stacked((SSD, GATED), (attention(rotary_fraction=0.5), GATED)),
    ),
    "falcon_h1": (
        falcon_h1, "FalconH1",
        HEADS | MAMBA2 | {
            "intermediate_size": 48, "num_hidden_layers": 2, "mamba_d_ssm": 64, "mamba_rms_norm": True,
            "mamba_norm_before_gate": False, "rope_parameters": ROPE,
        },
        parallel(*2 * [(attention(), SSD, GATED)]),
    ),
    "nemotron_h": (
        nemotron_h, "NemotronH",
        {name: value for name, value in HEADS.items() if name != "rms_norm_eps"} | {
            "layer_norm_epsilon": EPS, "head_dim": 8, "intermediate_size": 48, "mamba_num_heads": 4, "mamba_head_dim": 16,
            "ssm_state_size": 12, "n_groups": 2, "chunk_size": 16, "expand": 2, "conv_kernel": 4,
            "layers_block_type": ["linear_attention", "mlp", "full_attention", "linear_attention"],
        },
        stacked((SSD, ReLU2(d_ff=48)), (attention(rope=False), None), (SSD, None)),
    ),
    "mamba": (
        mamba, "Mamba",
        BASE | {
            "state_size": 6, "conv_kernel": 3, "time_step_rank": 4, "num_hidden_layers": 2, "layer_norm_epsilon": EPS,
        },
        stacked(*2 * [(Mamba(state_size=6, conv_width=3, dt_rank=4), None)], tied=True),
    ),
    "mamba2": (
        mamba2, "Mamba2",
        BASE | {
            "num_heads": 4, "head_dim": 16, "state_size": 12, "n_groups": 2, "chunk_size": 16, "num_hidden_layers": 2,
            "layer_norm_epsilon": EPS,
        },
        stacked((SSD, None), (SSD, None)),
    ),
    "qwen3_next": (
        qwen3_next, "Qwen3Next",
        HEADS | {
            "head_dim": 8, "intermediate_size": 48, "num_hidden_layers": 3, "moe_intermediate_size": 16, "num_experts": 5,
            "num_experts_per_tok": 2, "shared_expert_intermediate_size": 32, "norm_topk_prob": True, "mlp_only_layers": [0],
            "decoder_sparse_step": 1, "layer_types": ["linear_attention", "full_attention", "linear_attention"],
            "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 6, "linear_value_head_dim": 8,
            "rope_parameters": ROPE | {"partial_rotary_factor": 0.25},
        },
        stacked(
            (delta := gated_deltanet(D, n_heads=4, key_dim=6, n_groups=2), GATED),
            (
                attention(qk_norm=True, output_gate=True, rotary_fraction=0.25),
                gated := SHARED.model_copy(update={"shared_gate": True}),
            ),
            (delta, gated),
        ),
    ),
    "kimi_linear": (
        kimi_linear, "KimiLinear",
        HEADS | LATENT | {
            "intermediate_size": 48, "num_hidden_layers": 3, "num_local_experts": 6, "q_lora_rank": None,
            "norm_topk_prob": False, "routed_scaling_factor": 1.5, "linear_num_heads": 4, "linear_head_dim": 8,
            "linear_conv_kernel_dim": 3, "layer_types": ["linear_attention", "full_attention", "linear_attention"],
            "mlp_layer_types": ["dense", "sparse", "sparse"],
        },
        stacked(
            (fine := kda(D, n_heads=4, key_dim=8, conv_width=3), GATED),
            (
                MLA(n_heads=4, kv_rank=12, nope_dim=6, rope_dim=8, value_dim=10, rope=False),
                scaled := BIASED.model_copy(update={"scale": 1.5}),
            ),
            (fine, scaled),
        ),
    ),
    "rwkv": (
        rwkv, "Rwkv",
        {"vocab_size": V, "hidden_size": D, "intermediate_size": 48, "num_hidden_layers": 2, "rescale_every": 0},
        stacked(*2 * [(RWKV4(), RWKVChannel(d_ff=48))], norm="layer"),
    ),
    "recurrent_gemma": (
        recurrent_gemma, "RecurrentGemma",
        HEADS | {
            "intermediate_size": 96, "num_hidden_layers": 3, "lru_width": D, "attention_window_size": 6,
            "conv1d_width": 4, "logits_soft_cap": 1e6, "tie_word_embeddings": False,
            "block_types": ["recurrent", "recurrent", "attention"],
            "rope_parameters": ROPE | {"partial_rotary_factor": 0.5},
        },
        stacked(
            *2 * [(RGLRU(n_blocks=4), gelu := SwiGLU(d_ff=48, activation="gelu"))],
            (local := attention(window=6, rotary_fraction=0.5), gelu),
        ),
    ),
}  # fmt: skip
ROUNDED = {"qwen3_next": ("layernorm", "q_norm", "k_norm", "model.norm"), "recurrent_gemma": ("norm", "embed_tokens")}
UNUSED = {"recurrent_gemma": "_proj.bias", "ernie4_5_moe": "e_score_correction_bias"}


def token_input(architecture: Architecture) -> TokenInput:
    assert isinstance(architecture.input, TokenInput)
    return architecture.input


def model_of(name: str) -> Any:
    """Theirs, with random weights where ours has any, and one epsilon in all norms."""
    _, model_class, fields, _ = CASES[name]
    config = getattr(transformers, f"{model_class}Config")(**fields)
    model = randomised(getattr(transformers, f"{model_class}ForCausalLM")(config))
    for part, tensor in model.named_parameters():
        if name in UNUSED and part.endswith(UNUSED[name]):
            torch.nn.init.zeros_(tensor)
    return one_epsilon(model)


def one_epsilon(model: Any) -> Any:
    """The same model; its norms of latents would have 1e-6 whatever the config says."""
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon = EPS
    return model
