"""Weights of transformers' `rwkv` (RWKV-4: RwkvSelfAttention, RwkvFeedForward) and of `rwkv4` and `rwkv_channel`.

A whole model of theirs norms its embeddings. Ours has none there, so the table takes the norm in; the way back is lost, and
whole models can only be read. Their rescaling of layers in evaluation, `rescale_every`, must be 0, or above the layers.
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
        centred = table - table.mean(1, keepdims=True)
        normed = centred / np.sqrt((centred**2).sum(1, keepdims=True) / d_model + EPS)
        found: Array = (normed * weight + bias).astype(arrays[0].dtype)
        return found

    def split(_: Array) -> Sequence[Array]:
        raise ValueError("rwkv norms its embeddings; ours are not normed, so a whole model cannot be written")

    norm = (f"rwkv.blocks.0.pre_ln.{kind}" for kind in ("weight", "bias"))
    return Rule(EMBEDDING, (theirs, *norm), join, split)


FAMILY = Family(
    name="rwkv",
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
    """A whole `RwkvForCausalLM`, to be read only: writing raises ValueError, and so does one that it cannot hold."""
    return FAMILY.rules(architecture)
