"""Weights of transformers' `nemotron_h`: Mamba-2, attention without positions and squared-ReLU parts, in any order.

Each of their layers is one part, so one of ours is one or two of theirs. Their experts have no gate and ours do: there are
no rules for those.
"""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, projections
from nas.export.huggingface.mamba2 import mamba2_rules
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.recurrences import require_member
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.relu2 import ReLU2


def mixer_rules(config: Recurrence) -> Rules:
    """For one Mamba-2 mixer without projection biases. Raises ValueError for another member of the family."""
    require_member(config, "nemotron_h", "mamba2")
    return mamba2_rules(config)


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything without positions as a NemotronHAttention. Raises ValueError for any other."""
    require(config, "nemotron_h", HEADS, always={"rope": False})
    return projections(config)


def channel_rules(config: ReLU2) -> Rules:
    """`ReLU2` as a NemotronHMLP. Raises ValueError for any other."""
    require(config, "nemotron_h", ("kind", "d_ff"))
    return same("in_proj.weight", "up_proj.weight"), same("out_proj.weight", "down_proj.weight")


FAMILY = Family(
    name="nemotron_h",
    mixers=(place(Recurrence, "mixer.", mixer_rules, called="mamba2"), place(Attention, "mixer.", attention_rules)),
    channels=(place(ReLU2, "mixer.", channel_rules),),
    flat=True,
    embedding="model.embeddings.weight",
    last_norm="model.norm_f",
    mixer_norm="norm",
    channel_norm="norm",
    ties=False,
)


def rules(architecture: Architecture) -> Rules:
    """A whole `NemotronHForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
