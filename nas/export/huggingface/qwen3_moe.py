"""Weights of transformers' `qwen3_moe`: norms on queries and keys, one window or none, experts in any of the layers."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.mixtral import ROUTED, experts, no_routing_bias
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`Attention` with q/k norms, maybe in a window, as a Qwen3MoeAttention. Raises ValueError for any other."""
    require(config, "qwen3_moe", (*HEADS, "window"), always={"qk_norm": True})
    return (*projections(config), *(same(f"{name}_norm.weight", f"{name}_norm.weight") for name in "qk"))


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss as a Qwen3MoeSparseMoeBlock. Raises ValueError for any other."""
    require(config, "qwen3_moe", ROUTED)
    return (same("router.weight", "gate.weight"), *no_routing_bias(config), *experts())


FAMILY = Family(
    name="qwen3_moe",
    mixers=(place(Attention, "self_attn.", attention_rules),),
    channels=(place(SwiGLU, "mlp.", channel_rules), place(MoE, "mlp.", moe_rules)),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Qwen3MoeForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
