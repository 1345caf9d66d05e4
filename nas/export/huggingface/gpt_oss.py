"""Weights of transformers' `gpt_oss`: a learned sink for each head, a sliding window in some layers, and experts in all.

An expert of theirs computes (up + 1) gate sigmoid(alpha gate) between limits, with biases everywhere. Their config's
swiglu_alpha must be 1, swiglu_limit beyond all numbers and attention_bias false; then a bias of -1 on the ups leaves what ours
computes.
"""

from collections.abc import Callable, Sequence

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, projections
from nas.export.huggingface.mixtral import ROUTED, no_routing_bias, require_normalised
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.qwen3 import require_one_window
from nas.export.huggingface.rules import Array, Rule, Rules, changed, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE

UP = np.float32(1024)
"""Ups are written so many times as large, and the way back divided by it, so that up - 1 + 1 keeps the bits of small ups."""


def attention_rules(config: Attention) -> Rules:
    """`Attention` with sinks as a GptOssAttention without biases. Raises ValueError for any other."""
    require(config, "gpt_oss", (*HEADS, "window"), always={"sink": True})
    return (*projections(config), same("sink_H", "sinks"))


def moe_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss as a GptOssMLP. Raises ValueError for any other."""
    require(config, "gpt_oss", ROUTED)
    require_normalised(config, "gpt_oss", True)
    rules = (
        _with_bias(same("router.weight", "router.weight"), "router.bias", _zeros),
        _with_bias(changed("w_in", "experts.gate_up_proj", _halves, _neighbours), "experts.gate_up_proj_bias", _minus_one),
        _with_bias(changed("w_out", "experts.down_proj", _larger, _smaller), "experts.down_proj_bias", _zeros),
    )
    return (*rules, *no_routing_bias(config))


def _halves(theirs: Array) -> Array:
    """Gates, then ups."""
    return np.concatenate([theirs[..., ::2], theirs[..., 1::2] / UP], axis=-1)


def _neighbours(ours: Array) -> Array:
    """Every gate beside its up."""
    gates, ups = np.split(ours, 2, axis=-1)
    return np.stack([gates, ups * UP], axis=-1).reshape(ours.shape)


def _larger(theirs: Array) -> Array:
    return theirs * UP


def _smaller(ours: Array) -> Array:
    return ours / UP


def _zeros(weight: Array) -> Array:
    """For the router, [E, d], and the ways back, [E, f, d]."""
    n_experts, *_, d_model = weight.shape
    return np.zeros(n_experts if weight.ndim == 2 else (n_experts, d_model), weight.dtype)


def _minus_one(weight: Array) -> Array:
    """For the ups alone."""
    n_experts, _, width = weight.shape
    return np.tile(np.array([0, -1], weight.dtype), (n_experts, width // 2))


def _with_bias(rule: Rule, theirs: str, bias: Callable[[Array], Array]) -> Rule:
    """The same rule where theirs has a bias too, the same for all models; raises ValueError on the way in for another."""

    def join(arrays: Sequence[Array]) -> Array:
        if not np.array_equal(arrays[1], bias(arrays[0])):
            raise ValueError(f"{theirs} is not what it must be for experts without biases")
        return rule.join(arrays[:1])

    def split(array: Array) -> Sequence[Array]:
        (weight,) = rule.split(array)
        return weight, bias(weight)

    return Rule(rule.ours, (*rule.theirs, theirs), join, split)


FAMILY = Family(
    name="gpt_oss",
    adds=lambda _: "biases of router and experts",
    mixers=(place(Attention, "self_attn.", attention_rules, varies=("window",)),),
    channels=(place(MoE, "mlp.", moe_rules),),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `GptOssForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = FAMILY.rules(architecture)
    require_one_window(architecture, "gpt_oss")
    return found
