"""Configs of the families that mix attention with something else, layer by layer."""

from nas.export.huggingface import (
    bamba,
    falcon_h1,
    granitemoehybrid,
    jamba,
    kimi_linear,
    lfm2,
    nemotron_h,
    qwen3_next,
    recurrent_gemma,
)
from nas.export.huggingface.latents import latent_sizes, with_their_epsilon
from nas.export.huggingface.model_class import (
    EPS,
    Config,
    ModelClass,
    Words,
    first,
    heads,
    indices,
    mamba2_sizes,
    partial_rope,
    rope,
    words,
)
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

LAYER_TYPES: Words = {Recurrence: "linear_attention", Attention: "full_attention", MLA: "full_attention"}


def _d_ff(architecture: Architecture) -> Config:
    dense = first(architecture, SwiGLU)
    return {} if dense is None else {"intermediate_size": dense.d_ff}


def _lfm2(architecture: Architecture) -> Config:
    conv = first(architecture, ShortConv)
    return {
        **heads(architecture),
        **rope(),
        **_d_ff(architecture),
        **({} if conv is None else {"conv_L_cache": conv.width}),
        "conv_bias": False,
        "block_auto_adjust_ff_dim": False,
        "layer_types": words(architecture, {ShortConv: "conv", Attention: "full_attention"}),
        "norm_eps": EPS,
    }


def _jamba(architecture: Architecture) -> Config:
    scan, experts, core = first(architecture, Mamba), first(architecture, MoE), architecture.core
    mamba = {} if scan is None else {
        "mamba_expand": scan.expand,
        "mamba_d_state": scan.state_size,
        "mamba_d_conv": scan.conv_width,
        "mamba_dt_rank": scan.rank(architecture.d_model),
    }  # fmt: skip
    routed = {"num_experts": 1, "num_experts_per_tok": 1} if experts is None else {
        "intermediate_size": experts.d_expert,
        "num_experts": experts.n_experts,
        "num_experts_per_tok": experts.top_k,
    }  # fmt: skip
    return {
        **heads(architecture),
        **_d_ff(architecture),
        **mamba,
        **routed,
        **_regular("attn", [isinstance(layer.mixers[0], Attention) for layer in core]),
        **_regular("expert", [isinstance(layer.channel, MoE) for layer in core]),
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
        "hidden_act": "silu",
        "rms_norm_eps": EPS,
    }


def _regular(what: str, chosen: list[bool]) -> Config:
    """Period and offset; those chosen lie at equal distances. Without any, the offset is beyond the last layer."""
    places = indices(chosen)
    offset = places[0] if places else len(chosen)
    period = places[1] - offset if len(places) > 1 else len(chosen) + 1
    return {f"{what}_layer_period": period, f"{what}_layer_offset": offset}


def _granitemoehybrid(architecture: Architecture) -> Config:
    attention = first(architecture, Attention)
    head_dim = architecture.d_model if attention is None else attention.head_dim
    return {
        **heads(architecture),
        **rope(),
        **mamba2_sizes(architecture),
        **_granite_channel(first(architecture, SwiGLU), first(architecture, MoE)),
        "layer_types": words(architecture, LAYER_TYPES),
        "position_embedding_type": "rope" if attention is not None and attention.rope else None,
        "attention_multiplier": head_dim**-0.5,
        "embedding_multiplier": 1.0,
        "residual_multiplier": 1.0,
        "logits_scaling": 1.0,
        "hidden_act": "silu",
        "attention_bias": False,
        "rms_norm_eps": EPS,
    }


def _granite_channel(dense: SwiGLU | None, experts: MoE | None) -> Config:
    """The shared feed-forward alone, or beside the experts."""
    if experts is not None:
        return {
            "num_local_experts": experts.n_experts,
            "num_experts_per_tok": experts.top_k,
            "intermediate_size": experts.d_expert,
            "shared_intermediate_size": experts.n_shared * experts.d_expert,
        }
    width = {} if dense is None else {"shared_intermediate_size": dense.d_ff}
    return {"num_local_experts": 0, "num_experts_per_tok": 0, **width}


def _bamba(architecture: Architecture) -> Config:
    return {
        **heads(architecture),
        **partial_rope(architecture),
        **mamba2_sizes(architecture),
        **_d_ff(architecture),
        "attn_layer_indices": indices(isinstance(layer.mixers[0], Attention) for layer in architecture.core),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rms_norm_eps": EPS,
    }


def _falcon_h1(architecture: Architecture) -> Config:
    mixer = first(architecture, Recurrence)
    # the rules ask for one in every layer
    assert mixer is not None
    sizes = {name: value for name, value in mamba2_sizes(architecture).items() if name != "mamba_expand"}
    return {
        **heads(architecture),
        **rope(),
        **sizes,
        **_d_ff(architecture),
        "mamba_d_ssm": mixer.inner_width,
        "mamba_rms_norm": True,
        "mamba_norm_before_gate": False,
        "projectors_bias": False,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rms_norm_eps": EPS,
    }


def _nemotron_h(architecture: Architecture) -> Config:
    """Each of their layers is one part."""
    mixer, channel = first(architecture, Recurrence), first(architecture, ReLU2)
    of_kind: Words = {**LAYER_TYPES, ReLU2: "mlp"}
    blocks = [of_kind[type(part)] for _, part in architecture.parts()]
    mamba = {} if mixer is None else {
        "mamba_num_heads": mixer.n_heads,
        "mamba_head_dim": mixer.value_dim,
        "ssm_state_size": mixer.key_dim,
        "n_groups": mixer.n_groups,
        "conv_kernel": mixer.conv_width,
        "expand": max(1, mixer.inner_width // architecture.d_model),
    }  # fmt: skip
    return {
        **heads(architecture),
        **mamba,
        **({} if channel is None else {"intermediate_size": channel.d_ff}),
        "num_hidden_layers": len(blocks),
        "layers_block_type": blocks,
        "mlp_hidden_act": "relu2",
        "use_conv_bias": True,
        "use_bias": False,
        "mamba_proj_bias": False,
        "attention_bias": False,
        "mlp_bias": False,
        "residual_in_fp32": False,
        # they clip steps at this; its logarithm is taken, so it cannot be 0
        "time_step_min": 1e-30,
        "num_nextn_predict_layers": 0,
        "layer_norm_epsilon": EPS,
    }


def _qwen3_next(architecture: Architecture) -> Config:
    mixer, experts = first(architecture, Recurrence), first(architecture, MoE)
    linear = {} if mixer is None else {
        "linear_num_key_heads": mixer.n_groups,
        "linear_num_value_heads": mixer.n_heads,
        "linear_key_head_dim": mixer.key_dim,
        "linear_value_head_dim": mixer.value_dim,
        "linear_conv_kernel_dim": mixer.conv_width,
    }  # fmt: skip
    routed = {"num_experts": 0} if experts is None else {
        "num_experts": experts.n_experts,
        "num_experts_per_tok": experts.top_k,
        "moe_intermediate_size": experts.d_expert,
        "shared_expert_intermediate_size": experts.n_shared * experts.d_expert,
        "norm_topk_prob": experts.normalised,
    }  # fmt: skip
    return {
        **heads(architecture),
        **partial_rope(architecture),
        **_d_ff(architecture),
        **linear,
        **routed,
        "decoder_sparse_step": 1,
        "mlp_only_layers": indices(isinstance(layer.channel, SwiGLU) for layer in architecture.core),
        "layer_types": words(architecture, LAYER_TYPES),
        "hidden_act": "silu",
        "attention_bias": False,
        "rms_norm_eps": EPS,
    }


def _kimi_linear(architecture: Architecture) -> Config:
    mixer, experts = first(architecture, Recurrence), first(architecture, MoE)
    linear = {} if mixer is None else {
        "linear_num_heads": mixer.n_heads,
        "linear_head_dim": mixer.key_dim,
        "linear_conv_kernel_dim": mixer.conv_width,
    }  # fmt: skip
    routed = {} if experts is None else {
        "num_experts": experts.n_experts,
        "num_shared_experts": experts.n_shared,
        "num_experts_per_token": experts.top_k,
        "moe_intermediate_size": experts.d_expert,
        "moe_renormalize": experts.normalised,
        "routed_scaling_factor": experts.scale,
    }  # fmt: skip
    sparse = [isinstance(layer.channel, MoE) for layer in architecture.core]
    return {
        **latent_sizes(architecture),
        **_d_ff(architecture),
        **linear,
        **routed,
        "num_expert_group": 1,
        "topk_group": 1,
        "layer_types": words(architecture, LAYER_TYPES),
        "mlp_layer_types": ["sparse" if is_sparse else "dense" for is_sparse in sparse],
        "hidden_act": "silu",
        "attention_bias": False,
        "rms_norm_eps": EPS,
    }


def _recurrent_gemma(architecture: Architecture) -> Config:
    """One number is attention's heads and the gates' blocks; their head size follows from it."""
    block, attention = first(architecture, RGLRU), first(architecture, Attention)
    sizes = heads(architecture)
    if attention is None and block is not None:
        sizes = {"num_attention_heads": block.n_blocks, "num_key_value_heads": block.n_blocks}
    dense, width = first(architecture, SwiGLU), architecture.d_model if block is None else block.channels(architecture.d_model)
    # their cache has as many channels as the model, whatever the recurrence has
    caches = attention is not None and width == architecture.d_model
    return {
        **sizes,
        **partial_rope(architecture),
        **({} if dense is None else {"intermediate_size": 2 * dense.d_ff}),
        **({} if attention is None else {"attention_window_size": attention.window}),
        **({} if block is None else {"conv1d_width": block.conv_width}),
        "lru_width": width,
        "use_cache": caches,
        "block_types": words(architecture, {RGLRU: "recurrent", Attention: "attention"}),
        # so large that the cap does nothing
        "logits_soft_cap": 1e6,
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "rms_norm_eps": EPS,
    }


HYBRID_CLASSES = (
    ModelClass(family=lfm2.FAMILY, class_name="Lfm2ForCausalLM", rules=lfm2.rules, sizes=_lfm2, cached_by=Attention),
    ModelClass(family=jamba.FAMILY, class_name="JambaForCausalLM", rules=jamba.rules, sizes=_jamba, cached_by=Attention),
    ModelClass(
        family=granitemoehybrid.FAMILY,
        class_name="GraniteMoeHybridForCausalLM",
        rules=granitemoehybrid.rules,
        sizes=_granitemoehybrid,
        cached_by=Attention,
    ),
    ModelClass(family=bamba.FAMILY, class_name="BambaForCausalLM", rules=bamba.rules, sizes=_bamba, cached_by=Attention),
    ModelClass(family=falcon_h1.FAMILY, class_name="FalconH1ForCausalLM", rules=falcon_h1.rules, sizes=_falcon_h1),
    ModelClass(
        family=nemotron_h.FAMILY,
        class_name="NemotronHForCausalLM",
        rules=nemotron_h.rules,
        sizes=_nemotron_h,
        cached_by=Attention,
    ),
    ModelClass(
        family=qwen3_next.FAMILY,
        class_name="Qwen3NextForCausalLM",
        rules=qwen3_next.rules,
        sizes=_qwen3_next,
        cached_by=Attention,
    ),
    ModelClass(
        family=kimi_linear.FAMILY,
        class_name="KimiLinearForCausalLM",
        rules=kimi_linear.rules,
        sizes=_kimi_linear,
        cached_by=MLA,
        fitted=with_their_epsilon,
    ),
    ModelClass(
        family=recurrent_gemma.FAMILY,
        class_name="RecurrentGemmaForCausalLM",
        rules=recurrent_gemma.rules,
        sizes=_recurrent_gemma,
    ),
)
