"""Configs of the families whose mixers are attention alone, dense ones, those with experts, and BitNet's."""

from nas.export.huggingface import (
    bitnet,
    deepseek_v3,
    ernie4_5_moe,
    gpt_oss,
    llama,
    mistral,
    mixtral,
    qwen2_moe,
    qwen3,
    qwen3_moe,
    smollm3,
)
from nas.export.huggingface.latents import latent_sizes, with_their_epsilon
from nas.export.huggingface.model_class import EPS, MAX_POSITIONS, Config, ModelClass, first, heads, indices, rope
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture, Numerics
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

NO_LIMIT = 1e30
"""Beyond all numbers that a model in float32 works with."""


def _dense(architecture: Architecture) -> Config:
    """Heads, rotary positions, norms and a gated feed-forward."""
    channel = first(architecture, SwiGLU)
    width = {} if channel is None else {"intermediate_size": channel.d_ff}
    return {**heads(architecture), **rope(), **width, "rms_norm_eps": EPS}


def _llama_rules(architecture: Architecture) -> Rules:
    """As `llama.rules`, for what a config can say: it checks heads against the width even when it also says head_dim."""
    found = llama.rules(architecture)
    attention = first(architecture, Attention)
    if attention is not None and architecture.d_model % attention.n_heads:
        raise ValueError(f"n_heads {attention.n_heads}: must divide d_model {architecture.d_model} for transformers' llama")
    return found


def _llama(architecture: Architecture) -> Config:
    return {**_dense(architecture), "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}


def _mistral(architecture: Architecture) -> Config:
    attention = first(architecture, Attention)
    return {**_dense(architecture), "hidden_act": "silu", "sliding_window": attention and attention.window}


def _qwen3(architecture: Architecture) -> Config:
    windows = _windows(architecture)
    return {
        **_dense(architecture),
        **windows,
        "hidden_act": "silu",
        "attention_bias": False,
        "use_sliding_window": windows["sliding_window"] is not None,
    }


def _windows(architecture: Architecture) -> Config:
    """The window of the layers that have one, and which those are."""
    windows = [part.window for _, part in architecture.parts() if isinstance(part, Attention)]
    return {
        "sliding_window": next((window for window in windows if window is not None), None),
        "layer_types": ["sliding_attention" if window else "full_attention" for window in windows],
    }


def _smollm3(architecture: Architecture) -> Config:
    positions = [int(part.rope) for _, part in architecture.parts() if isinstance(part, Attention)]
    # they name the layers without positions, and say 1 of those with
    return {**_qwen3(architecture), "no_rope_layers": positions, "mlp_bias": False}


def _qwen3_moe(architecture: Architecture) -> Config:
    attention = first(architecture, Attention)
    window = attention and attention.window
    return {
        **_dense(architecture),
        **_small_experts(architecture),
        "decoder_sparse_step": 1,
        "mlp_only_layers": indices(isinstance(layer.channel, SwiGLU) for layer in architecture.core),
        "use_sliding_window": window is not None,
        "sliding_window": window,
        "hidden_act": "silu",
        "attention_bias": False,
    }


def _small_experts(architecture: Architecture) -> Config:
    """As qwen's families say them; none where no layer has any."""
    experts = first(architecture, MoE)
    return {"num_experts": 0} if experts is None else {
        "num_experts": experts.n_experts,
        "num_experts_per_tok": experts.top_k,
        "moe_intermediate_size": experts.d_expert,
        "norm_topk_prob": experts.normalised,
    }  # fmt: skip


def _qwen2_moe(architecture: Architecture) -> Config:
    experts = first(architecture, MoE)
    shared = {} if experts is None else {"shared_expert_intermediate_size": experts.n_shared * experts.d_expert}
    return {
        **_dense(architecture),
        **_always_some_window(architecture),
        **_small_experts(architecture),
        **shared,
        "use_sliding_window": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": indices(isinstance(layer.channel, SwiGLU) for layer in architecture.core),
        "hidden_act": "silu",
        "qkv_bias": False,
    }


def _ernie4_5_moe(architecture: Architecture) -> Config:
    experts, places = first(architecture, MoE), ernie4_5_moe.sparse_layers(architecture)
    routed = {} if experts is None else {
        "moe_num_experts": experts.n_experts,
        "moe_k": experts.top_k,
        "moe_intermediate_size": experts.d_expert,
        "moe_num_shared_experts": experts.n_shared,
    }  # fmt: skip
    n_layers = len(architecture.core)
    return {
        **_dense(architecture),
        **routed,
        # without experts, beyond the last layer
        "moe_layer_start_index": places[0] if places else n_layers,
        "moe_layer_end_index": places[-1] if places else n_layers,
        "moe_layer_interval": places.step,
        "hidden_act": "silu",
        "use_bias": False,
    }


def _always_some_window(architecture: Architecture) -> Config:
    """As `_windows`, of families that ask for a window even if no layer has one."""
    windows = _windows(architecture)
    return {**windows, "sliding_window": windows["sliding_window"] or MAX_POSITIONS}


def _gpt_oss(architecture: Architecture) -> Config:
    return {
        **heads(architecture),
        **rope(),
        **_always_some_window(architecture),
        **_experts(architecture),
        "swiglu_alpha": 1.0,
        "swiglu_limit": NO_LIMIT,
        "hidden_act": "silu",
        "attention_bias": False,
        "rms_norm_eps": EPS,
    }


def _mixtral(architecture: Architecture) -> Config:
    return {**_mistral(architecture), **_experts(architecture)}


def _experts(architecture: Architecture) -> Config:
    """Of families with experts in every layer."""
    experts = first(architecture, MoE)
    # the rules ask for them
    assert experts is not None
    return {
        "intermediate_size": experts.d_expert,
        "num_local_experts": experts.n_experts,
        "num_experts_per_tok": experts.top_k,
    }


def _deepseek_v3(architecture: Architecture) -> Config:
    dense, experts = first(architecture, SwiGLU), first(architecture, MoE)
    n_dense = sum(isinstance(layer.channel, SwiGLU) for layer in architecture.core)
    routed = {} if experts is None else {
        "n_routed_experts": experts.n_experts,
        "n_shared_experts": experts.n_shared,
        "num_experts_per_tok": experts.top_k,
        "moe_intermediate_size": experts.d_expert,
        "norm_topk_prob": experts.normalised,
        "routed_scaling_factor": experts.scale,
    }  # fmt: skip
    return {
        **latent_sizes(architecture),
        **rope(),
        **routed,
        **({} if dense is None else {"intermediate_size": dense.d_ff}),
        "first_k_dense_replace": n_dense,
        "n_group": 1,
        "topk_group": 1,
        "rope_interleave": True,
        "num_nextn_predict_layers": 0,
        "hidden_act": "silu",
        "attention_bias": False,
        "rms_norm_eps": EPS,
    }


def _bitnet_rules(architecture: Architecture) -> Rules:
    """As `bitnet.rules`, for what a plain config can say: it does not round, and its norm before the output fills d_model."""
    found = bitnet.rules(architecture)
    if architecture.numerics != Numerics():
        rounded = f"numerics {architecture.numerics.weights}, {architecture.numerics.activations}"
        raise ValueError(f"{rounded}: transformers' bitnet rounds through a quantiser that needs another package, accelerate")
    attention = first(architecture, Attention)
    if attention is not None and attention.n_heads * attention.head_dim != architecture.d_model:
        raise ValueError("head_dim must be d_model / n_heads: transformers' bitnet has a norm of d_model after its heads")
    return found


def _bitnet(architecture: Architecture) -> Config:
    return {**_dense(architecture), "hidden_act": "relu2", "attention_bias": False}


ATTENTION_CLASSES = (
    ModelClass(family=llama.FAMILY, class_name="LlamaForCausalLM", rules=_llama_rules, sizes=_llama),
    ModelClass(family=mistral.FAMILY, class_name="MistralForCausalLM", rules=mistral.rules, sizes=_mistral),
    ModelClass(family=qwen3.FAMILY, class_name="Qwen3ForCausalLM", rules=qwen3.rules, sizes=_qwen3),
    ModelClass(family=smollm3.FAMILY, class_name="SmolLM3ForCausalLM", rules=smollm3.rules, sizes=_smollm3),
    ModelClass(family=mixtral.FAMILY, class_name="MixtralForCausalLM", rules=mixtral.rules, sizes=_mixtral),
    ModelClass(family=qwen3_moe.FAMILY, class_name="Qwen3MoeForCausalLM", rules=qwen3_moe.rules, sizes=_qwen3_moe),
    ModelClass(family=ernie4_5_moe.FAMILY, class_name="Ernie4_5_MoeForCausalLM", rules=ernie4_5_moe.rules, sizes=_ernie4_5_moe),
    ModelClass(family=qwen2_moe.FAMILY, class_name="Qwen2MoeForCausalLM", rules=qwen2_moe.rules, sizes=_qwen2_moe),
    ModelClass(
        family=deepseek_v3.FAMILY,
        class_name="DeepseekV3ForCausalLM",
        rules=deepseek_v3.rules,
        sizes=_deepseek_v3,
        fitted=with_their_epsilon,
    ),
    ModelClass(family=gpt_oss.FAMILY, class_name="GptOssForCausalLM", rules=gpt_oss.rules, sizes=_gpt_oss),
    ModelClass(family=bitnet.FAMILY, class_name="BitNetForCausalLM", rules=_bitnet_rules, sizes=_bitnet),
)
