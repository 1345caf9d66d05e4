"""Weights of transformers' `ernie4_5_moe`: plain attention, and experts, maybe beside shared ones, in every n-th layer.

Their rotary positions turn neighbours, ours (i, i + size / 2). Their router adds a bias to softmax scores, which must be 0.
"""

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules
from nas.export.huggingface.mixtral import ROUTED, experts, require_normalised, shared_experts
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import reordered
from nas.export.huggingface.rules import Rule, Rules, same, zero
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything with rotary positions as an Ernie4_5_MoeAttention. Raises ValueError for any other."""
    require(config, "ernie4_5_moe", HEADS)
    size, values = config.head_dim, config.n_kv_heads * config.head_dim
    halves = np.arange(size).reshape(-1, 2).T.ravel()
    turned = np.concatenate([head * size + halves for head in range(config.n_heads + config.n_kv_heads)])
    order = np.concatenate([turned, len(turned) + np.arange(values)])
    names = [f"{name}_proj.weight" for name in "qkv"]
    projections = reordered("in_proj.weight", names, [config.n_heads * size, values, values], order)
    return projections, same("out_proj.weight", "o_proj.weight")


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss, maybe with shared experts, as an Ernie4_5_MoeSparseMoeBlock. Raises ValueError for others."""
    require(config, "ernie4_5_moe", (*ROUTED, "n_shared"))
    require_normalised(config, "ernie4_5_moe", True)
    shared = shared_experts(config, "shared_experts.") if config.n_shared else ()
    return (same("router.weight", "gate.weight"), _no_bias(), *experts(), *shared)


def _no_bias() -> Rule:
    """Theirs is [1, E]."""
    flat = zero("routing_bias", "gate.moe_statics.e_score_correction_bias")
    return Rule(flat.ours, flat.theirs, lambda arrays: flat.join([arrays[0][0]]), lambda array: [flat.split(array)[0][None]])


FAMILY = Family(
    name="ernie4_5_moe",
    adds=lambda _: "biases of routers",
    mixers=(place(Attention, "self_attn.", attention_rules),),
    channels=(place(SwiGLU, "mlp.", channel_rules), place(MoE, "mlp.", moe_rules)),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Ernie4_5_MoeForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = FAMILY.rules(architecture)
    sparse_layers(architecture)
    return found


def sparse_layers(architecture: Architecture) -> range:
    """The layers with experts: from one on every n-th, all at multiples of n counted from 1. Raises ValueError for others."""
    chosen = [index for index, layer in enumerate(architecture.core) if isinstance(layer.channel, MoE)]
    if not chosen:
        return range(0)
    interval = chosen[1] - chosen[0] if len(chosen) > 1 else 1
    found = range(chosen[0], chosen[-1] + 1, interval)
    if chosen != [*found] or (chosen[0] + 1) % interval:
        raise ValueError("core: transformers' ernie4_5_moe has moe in every n-th layer, at multiples of n counted from 1")
    return found
