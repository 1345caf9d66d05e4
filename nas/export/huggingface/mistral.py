"""Weights of transformers' `mistral`: llama with one sliding window for all layers, or none."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`Attention` with rotary positions and maybe a window as a MistralAttention. Raises ValueError for any other."""
    require(config, "mistral", (*HEADS, "window"))
    return projections(config)


FAMILY = Family(
    name="mistral",
    mixers=(place(Attention, "self_attn.", attention_rules),),
    channels=(place(SwiGLU, "mlp.", channel_rules),),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `MistralForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
