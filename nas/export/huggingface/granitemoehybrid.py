"""Weights of transformers' `granitemoehybrid`: Mamba-2 and attention, a dense feed-forward or experts beside a shared one.

Its Mamba-2 mixer is that of `bamba` too. Their config's embedding_multiplier, residual_multiplier and logits_scaling must be
1, and its attention_multiplier head_dim^-0.5. Attention is rotary when position_embedding_type is "rope".
"""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, projections
from nas.export.huggingface.mamba2 import mamba2_rules, require_expansion
from nas.export.huggingface.mixtral import ROUTED, experts, no_routing_bias, require_normalised
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rules, same, under
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU

SHARED = (same("in_proj.weight", "shared_mlp.input_linear.weight"), same("out_proj.weight", "shared_mlp.output_linear.weight"))


def mixer_rules(config: Recurrence) -> Rules:
    """For one Mamba-2 mixer without projection biases. Raises ValueError for another member of the family."""
    require_member(config, "granitemoehybrid", "mamba2")
    return mamba2_rules(config)


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything, rotary or without positions, as a GraniteMoeHybridAttention."""
    require(config, "granitemoehybrid", (*HEADS, "rope"))
    return projections(config)


def channel_rules(config: SwiGLU) -> Rules:
    """`SwiGLU` as the shared feed-forward of a layer without experts. Raises ValueError for any other."""
    require(config, "granitemoehybrid", ("kind", "d_ff"))
    return SHARED


def moe_rules(config: MoE) -> Rules:
    """`MoE` with shared experts as a GraniteMoeHybridMoE and the feed-forward beside it. Raises ValueError for any other."""
    require(config, "granitemoehybrid", (*ROUTED, "n_shared"))
    require_normalised(config, "granitemoehybrid", True)
    if not config.n_shared:
        raise ValueError("n_shared must be at least 1: transformers' granitemoehybrid always has a shared expert")
    routed = (same("router.weight", "router.weight"), *experts())
    return (*under(routed, "", "block_sparse_moe."), *no_routing_bias(config), *under(SHARED, "shared_expert.", ""))


FAMILY = Family(
    name="granitemoehybrid",
    mixers=(place(Recurrence, "mamba.", mixer_rules, called="mamba2"), place(Attention, "self_attn.", attention_rules)),
    channels=(place(SwiGLU, "", channel_rules), place(MoE, "", moe_rules)),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `GraniteMoeHybridForCausalLM`. Raises ValueError, naming the field, for an architecture it cannot hold."""
    found = FAMILY.rules(architecture)
    require_expansion(architecture, "granitemoehybrid")
    if len({type(layer.channel) for layer in architecture.core}) > 1:
        raise ValueError("core: in transformers' granitemoehybrid all layers have experts, or none has")
    return found
