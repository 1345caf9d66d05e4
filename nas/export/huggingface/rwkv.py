"""Weights of transformers' `rwkv` (RWKV-4: RwkvSelfAttention, RwkvFeedForward) and of `rwkv4` and `rwkv_channel`.

A whole model of theirs norms its embeddings, and ours does not. On the way in our table takes their norm in. On the way out
each row loses its mean, which every norm of ours takes away before anything is computed, and is written as a row so small that
their norm, whose epsilon bounds what it may divide by, gives it back. So a head that is the table becomes one of its own. Their
rescaling of layers in evaluation, `rescale_every`, must be 0, or above the layers.
"""

from collections.abc import Sequence

import numpy as np

from nas.export.huggingface.holds import require
from nas.export.huggingface.model import EMBEDDING, Family, place
from nas.export.huggingface.rules import Array, Rule, Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel

EPS = 1e-5


def mixer_rules(config: RWKV4) -> Rules:
    """`RWKV4` as an RwkvSelfAttention, whose attention_hidden_size is its width."""
    require(config, "rwkv", ("kind", "width"))
    renamed = {"log_rate": "time_decay", "bonus": "time_first", "out_proj.weight": "output.weight"}
    return (
        _shares("share_3D", ("key", "value", "receptance")),
        *(same(name, name) for name in ("key.weight", "value.weight", "receptance.weight")),
        *(same(ours, theirs) for ours, theirs in renamed.items()),
    )


def channel_rules(config: RWKVChannel) -> Rules:
    """`RWKVChannel` as an RwkvFeedForward, whose intermediate_size is its hidden width."""
    require(config, "rwkv", ("kind", "d_ff"))
    kept = ("key.weight", "receptance.weight", "value.weight")
    return (_shares("share_2D", ("key", "receptance")), *(same(name, name) for name in kept))


def _shares(ours: str, mixes: Sequence[str]) -> Rule:
    """Shares [n, d] of tokens themselves in mixes with the token before; theirs are [1, 1, d] each."""

    def join(arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays)[:, 0]

    def split(array: Array) -> Sequence[Array]:
        return [row[None, None] for row in array]

    return Rule(ours, tuple(f"time_mix_{mix}" for mix in mixes), join, split)


def layer_norm(ours: str, theirs: str) -> Rules:
    """Weight and bias."""
    return tuple(same(f"{ours}.{kind}", f"{theirs}.{kind}") for kind in ("weight", "bias"))


def _normed_embedding(theirs: str, d_model: int) -> Rule:
    """The table after the first layer's `pre_ln`."""

    def join(arrays: Sequence[Array]) -> Array:
        table, weight, bias = (array.astype(np.float64) for array in arrays)
        centred = _centred(table)
        normed = centred / np.sqrt((centred**2).mean(1, keepdims=True) + EPS)
        return _like(arrays[0], normed * weight + bias)

    def split(array: Array) -> Sequence[Array]:
        centred = _centred(array.astype(np.float64))
        squares = (centred**2).mean(1, keepdims=True)
        # a norm with this weight gives rows of at most half of it, any length below; of zeros it gives zeros
        weight = 2 * np.sqrt(squares.max()) or 1.0
        table = centred * np.sqrt(EPS / (weight**2 - squares))
        return _like(array, table), np.full(d_model, weight, array.dtype), np.zeros(d_model, array.dtype)

    norm = (f"rwkv.blocks.0.pre_ln.{kind}" for kind in ("weight", "bias"))
    return Rule(EMBEDDING, (theirs, *norm), join, split)


def _centred(table: Array) -> Array:
    """Rows without their means."""
    found: Array = table - table.mean(1, keepdims=True)
    return found


def _like(array: Array, numbers: Array) -> Array:
    """The numbers in the array's format."""
    found: Array = numbers.astype(array.dtype)
    return found


FAMILY = Family(
    name="rwkv",
    adds=lambda _: "weights of a norm of embeddings",
    mixers=(place(RWKV4, "attention.", mixer_rules),),
    channels=(place(RWKVChannel, "feed_forward.", channel_rules),),
    embedding="rwkv.embeddings.weight",
    head="head.weight",
    last_norm="rwkv.ln_out",
    layers="rwkv.blocks",
    mixer_norm="ln1",
    channel_norm="ln2",
    ties=False,
    norm="layer",
    norm_rules=layer_norm,
    embedding_rule=_normed_embedding,
)


def rules(architecture: Architecture) -> Rules:
    """A whole `RwkvForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
