"""Weights of transformers' `bamba`: Mamba-2, and attention that is rotary in part of its channels."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.mamba2 import mamba2_rules, require_expansion
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU


def mixer_rules(config: Recurrence) -> Rules:
    """For one Mamba-2 mixer without projection biases. Raises ValueError for another member of the family."""
    require_member(config, "bamba", "mamba2")
    return mamba2_rules(config)


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything as a BambaAttention. Raises ValueError for any other."""
    require(config, "bamba", (*HEADS, "rotary_fraction"))
    return projections(config)


FAMILY = Family(
    name="bamba",
    mixers=(place(Recurrence, "mamba.", mixer_rules, called="mamba2"), place(Attention, "self_attn.", attention_rules)),
    channels=(place(SwiGLU, "feed_forward.", channel_rules),),
    last_norm="model.final_layernorm",
    channel_norm="pre_ff_layernorm",
)


def rules(architecture: Architecture) -> Rules:
    """A whole `BambaForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    require_expansion(architecture, "bamba")
    return FAMILY.rules(architecture)
