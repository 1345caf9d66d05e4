"""Weights of transformers' `falcon_h1`: in every layer attention beside Mamba-2, both on the same norm, and added.

Their config's multipliers must be 1, mamba_rms_norm true and mamba_norm_before_gate false.
"""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.mamba2 import mamba2_rules
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU


def mixer_rules(config: Recurrence) -> Rules:
    """For one Mamba-2 mixer without projection biases. Raises ValueError for another member of the family."""
    require_member(config, "falcon_h1", "mamba2")
    return mamba2_rules(config)


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything with rotary positions as a FalconH1Attention. Raises ValueError for any other."""
    require(config, "falcon_h1", HEADS)
    return projections(config)


FAMILY = Family(
    name="falcon_h1",
    mixers=(place(Attention, "self_attn.", attention_rules), place(Recurrence, "mamba.", mixer_rules, called="mamba2")),
    channels=(place(SwiGLU, "feed_forward.", channel_rules),),
    parallel=True,
    last_norm="model.final_layernorm",
    channel_norm="pre_ff_layernorm",
)


def rules(architecture: Architecture) -> Rules:
    """A whole `FalconH1ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
