"""Weights of transformers' `mixtral`: mistral with a mixture of experts; other families' experts build on these rules."""

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import feed_forward
from nas.export.huggingface.mistral import attention_rules
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Array, Rules, changed, same, under, zeros
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE

ROUTED = ("kind", "n_experts", "top_k", "d_expert", "balance_rate", "normalise")


def channel_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss as a MixtralSparseMoeBlock. Raises ValueError for any other."""
    require(config, "mixtral", ROUTED)
    require_normalised(config, "mixtral", True)
    return (same("router.weight", "gate.weight"), *no_routing_bias(config), *experts())


def experts() -> Rules:
    """The routed experts: theirs are [E, 2 d_expert, d] and [E, d, d_expert], gates before ups like ours."""
    pairs = {"w_in": "experts.gate_up_proj", "w_out": "experts.down_proj"}
    return tuple(changed(ours, theirs, _swapped, _swapped) for ours, theirs in pairs.items())


def shared_experts(config: MoE, theirs: str) -> Rules:
    """The shared experts, one feed-forward in theirs too. Raises ValueError without any."""
    if not config.n_shared:
        raise ValueError("n_shared must be at least 1: the family always has a shared expert")
    return under(feed_forward(config.n_shared * config.d_expert), "shared_expert.", theirs)


def no_routing_bias(config: MoE) -> Rules:
    """A router that a loss balances has no bias on its choice: a buffer of zeros in ours."""
    return (zeros("routing_bias", (config.n_experts + config.n_zero,)),)


def require_normalised(config: MoE, family: str, normalised: bool) -> None:
    """Raises ValueError unless the chosen experts' weights are scaled to sum to 1, or unless they are not."""
    if config.normalised != normalised:
        raise ValueError(f"normalise {config.normalised}: transformers' {family} always has {normalised}")


def _swapped(weights: Array) -> Array:
    return np.swapaxes(weights, 1, 2)


FAMILY = Family(
    name="mixtral",
    mixers=(place(Attention, "self_attn.", attention_rules),),
    channels=(place(MoE, "mlp.", channel_rules),),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `MixtralForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
