"""Weights of the layers of transformers' `minimax`: the recurrence's member `lightning`, attention, and Mixtral's experts.

There are no rules for a whole model: their residual stream is normed itself before every part, x = a norm(x) + b part(norm(x)),
while ours passes the norms by.
"""

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, projections
from nas.export.huggingface.mixtral import ROUTED, experts, no_routing_bias, require_normalised
from nas.export.huggingface.recurrences import reordered, require_member
from nas.export.huggingface.rules import Rules, same
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence

NORM_EPS = 1e-6
"""Of their norm, whatever their config says; ours has 1e-5."""


def decay_scale(layer: int, n_layers: int) -> float:
    """The factor that transformers gives the slopes of layer `layer`, counted from 0."""
    return 1 - layer / (n_layers - 1 + 1e-5) + 1e-5


def linear_attention_rules(config: Recurrence) -> Rules:
    """For the parameters of one lightning attention; its buffers follow from the config.

    Raises ValueError for another member of the family, or heads that share keys or differ in their two sizes.
    """
    require_member(config, "minimax", "lightning", n_groups=config.n_heads, value_dim=config.key_dim)
    # theirs has the query, key and value of each head together
    rows = np.arange(3 * config.inner_width)
    heads = rows.reshape(config.n_heads, 3, config.key_dim).swapaxes(0, 1).ravel()
    sizes = [3 * config.inner_width, config.inner_width]
    gate = np.arange(sizes[0], sum(sizes))
    return (
        reordered("in_proj.weight", ["qkv_proj.weight", "output_gate.weight"], sizes, np.concatenate([heads, gate])),
        same("norm.weight", "norm.weight"),
        same("out_proj.weight", "out_proj.weight"),
    )


def attention_rules(config: Attention) -> Rules:
    """`Attention` with rotary positions and maybe a window as a MiniMaxAttention. Raises ValueError for any other."""
    require(config, "minimax", (*HEADS, "window"))
    return projections(config)


def channel_rules(config: MoE) -> Rules:
    """`MoE` balanced by a loss as a MiniMaxSparseMoeBlock. Raises ValueError for any other."""
    require(config, "minimax", ROUTED)
    require_normalised(config, "minimax", True)
    return (same("router.weight", "gate.weight"), *no_routing_bias(config), *experts())
