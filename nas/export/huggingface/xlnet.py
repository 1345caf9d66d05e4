"""XLNet's relative attention: Transformer-XL's, with its segment memory."""

from collections.abc import Callable

import numpy as np

from nas.export.huggingface.rules import Array, Rule, changed, same
from search_spaces.primitives.segment_attention import SegmentAttention


def segment_attention_rules(config: SegmentAttention) -> tuple[Rule, ...]:
    """For one attention layer, without its norm and without what serves token types, `seg_embed` and `r_s_bias`."""
    rows, heads = _rows, _heads(config.n_heads)
    keys_values = Rule(
        "kv_proj.weight",
        ("k", "v"),
        lambda arrays: np.concatenate([rows(array) for array in arrays]),
        lambda array: [heads(half) for half in np.split(array, 2)],
    )
    return (
        changed("q_proj.weight", "q", rows, heads),
        keys_values,
        changed("position_proj.weight", "r", rows, heads),
        same("content_bias_HD", "r_w_bias"),
        same("position_bias_HD", "r_r_bias"),
        changed("out_proj.weight", "o", lambda array: rows(array).T, lambda array: heads(array.T)),
    )


def _rows(theirs: Array) -> Array:
    """[d_model, heads, head_dim] to [heads head_dim, d_model]."""
    return theirs.reshape(theirs.shape[0], -1).T


def _heads(n_heads: int) -> Callable[[Array], Array]:
    """The way back."""
    return lambda rows: rows.T.reshape(rows.shape[1], n_heads, -1)
