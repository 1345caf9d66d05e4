"""Weights of transformers' `qwen2_moe`: plain attention, a window in some layers, experts in some beside a shared one.

Their shared expert is multiplied by a sigmoid. Where ours has no such gate it is written with one of zeros, which is a half
for every token, and twice as strong, which is the same to the last bit. Their config's qkv_bias must be false.
"""

from collections.abc import Sequence

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.mixtral import ROUTED, experts, no_routing_bias, shared_experts
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.qwen3 import require_one_window
from nas.export.huggingface.rules import Array, Rule, Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU

SHARED_GATE = "shared_expert_gate.weight"


def attention_rules(config: Attention) -> Rules:
    """`Attention` with rotary positions and maybe a window as a Qwen2MoeAttention. Raises ValueError for any other."""
    require(config, "qwen2_moe", (*HEADS, "window"))
    return projections(config)


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss with shared experts as a Qwen2MoeSparseMoeBlock. Raises ValueError for any other."""
    require(config, "qwen2_moe", (*ROUTED, "n_shared", "shared_gate"))
    return (same("router.weight", "gate.weight"), *no_routing_bias(config), *experts(), *maybe_gated(config))


def maybe_gated(config: MoE) -> Rules:
    """The shared experts where theirs always has a gate. Raises ValueError without any."""
    way_in, way_out = shared_experts(config, "shared_expert.")
    if config.shared_gate:
        return way_in, way_out, same("shared_gate.weight", SHARED_GATE)
    return way_in, _half_open(way_out)


def open_gates(architecture: Architecture) -> str:
    """What is added for shared experts without a gate."""
    experts = (part for _, part in architecture.parts() if isinstance(part, MoE))
    return "gates of shared experts" if any(part.n_shared and not part.shared_gate for part in experts) else ""


def _half_open(way_out: Rule) -> Rule:
    """The way out of the shared experts behind a gate of zeros. Raises ValueError, on the way in, for another gate."""

    def join(arrays: Sequence[Array]) -> Array:
        if arrays[1].any():
            raise ValueError(f"{SHARED_GATE} is not zero, and ours has no gate")
        return way_out.join(arrays[:1]) / 2

    def split(array: Array) -> Sequence[Array]:
        d_model = len(array)
        return (*way_out.split(2 * array), np.zeros((1, d_model), array.dtype))

    return Rule(way_out.ours, (*way_out.theirs, SHARED_GATE), join, split)


FAMILY = Family(
    name="qwen2_moe",
    adds=open_gates,
    mixers=(place(Attention, "self_attn.", attention_rules, varies=("window",)),),
    channels=(place(SwiGLU, "mlp.", channel_rules), place(MoE, "mlp.", moe_rules)),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Qwen2MoeForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = FAMILY.rules(architecture)
    require_one_window(architecture, "qwen2_moe")
    return found
