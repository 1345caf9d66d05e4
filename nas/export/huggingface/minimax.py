"""Weights of transformers' `minimax` (MiniMaxLightningAttention) and of the recurrence's member `lightning`."""

import numpy as np

from nas.export.huggingface.recurrences import reordered, require_member
from nas.export.huggingface.rules import Rule, same
from search_spaces.primitives.recurrence import Recurrence

NORM_EPS = 1e-6
"""Of their norm, whatever their config says; ours has 1e-5."""


def decay_scale(layer: int, n_layers: int) -> float:
    """The factor that transformers gives the slopes of layer `layer`, counted from 0."""
    return 1 - layer / (n_layers - 1 + 1e-5) + 1e-5


def linear_attention_rules(config: Recurrence) -> tuple[Rule, ...]:
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
