"""Weights of transformers' `lfm2`: gated short convolutions, and attention with norms on queries and keys.

Their config must say block_auto_adjust_ff_dim false.
"""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, feed_forward, projections
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU


def conv_rules(config: ShortConv) -> Rules:
    """`ShortConv` as an Lfm2ShortConv, whose conv_L_cache is the width."""
    require(config, "lfm2", ("kind", "width"))
    return tuple(same(name, name) for name in ("in_proj.weight", "conv.weight", "out_proj.weight"))


def attention_rules(config: Attention) -> Rules:
    """`Attention` with rotary positions and q/k norms as an Lfm2Attention. Raises ValueError for any other."""
    require(config, "lfm2", HEADS, always={"qk_norm": True})
    norms = (same(f"{name}_norm.weight", f"{name}_layernorm.weight") for name in "qk")
    return (*projections(config, "out_proj"), *norms)


def channel_rules(config: SwiGLU) -> Rules:
    """`SwiGLU` as an Lfm2MLP. Raises ValueError for any other."""
    require(config, "lfm2", ("kind", "d_ff"))
    return feed_forward(config.d_ff, "w1", "w3", "w2")


FAMILY = Family(
    name="lfm2",
    mixers=(place(ShortConv, "conv.", conv_rules), place(Attention, "self_attn.", attention_rules)),
    channels=(place(SwiGLU, "feed_forward.", channel_rules),),
    last_norm="model.embedding_norm",
    mixer_norm="operator_norm",
    channel_norm="ffn_norm",
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Lfm2ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
