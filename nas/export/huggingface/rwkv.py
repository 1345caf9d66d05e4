"""Weights of transformers' `rwkv` (RWKV-4: RwkvSelfAttention, RwkvFeedForward) and of `rwkv4` and `rwkv_channel`."""

from collections.abc import Sequence

import numpy as np

from nas.export.huggingface.rules import Array, Rule, same


def mixer_rules() -> tuple[Rule, ...]:
    """`RWKV4` as an RwkvSelfAttention, whose attention_hidden_size is its width."""
    renamed = {"log_rate": "time_decay", "bonus": "time_first", "out_proj.weight": "output.weight"}
    return (
        _shares("share_3D", ("key", "value", "receptance")),
        *(same(name, name) for name in ("key.weight", "value.weight", "receptance.weight")),
        *(same(ours, theirs) for ours, theirs in renamed.items()),
    )


def channel_rules() -> tuple[Rule, ...]:
    """`RWKVChannel` as an RwkvFeedForward, whose intermediate_size is its hidden width."""
    kept = ("key.weight", "receptance.weight", "value.weight")
    return (_shares("share_2D", ("key", "receptance")), *(same(name, name) for name in kept))


def _shares(ours: str, mixes: Sequence[str]) -> Rule:
    """Shares [n, d] of tokens themselves in mixes with the token before; theirs are [1, 1, d] each."""

    def join(arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays)[:, 0]

    def split(array: Array) -> Sequence[Array]:
        return [row[None, None] for row in array]

    return Rule(ours, tuple(f"time_mix_{mix}" for mix in mixes), join, split)
