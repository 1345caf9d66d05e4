"""Weights of transformers' `smollm3`: llama whose layers each have rotary positions or none, and a sliding window or none."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.qwen3 import require_one_window
from nas.export.huggingface.rules import Rules
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`Attention`, rotary or not, maybe in a window, as a SmolLM3Attention. Raises ValueError for any other."""
    require(config, "smollm3", (*HEADS, "window", "rope"))
    return projections(config)


FAMILY = Family(
    name="smollm3",
    mixers=(place(Attention, "self_attn.", attention_rules, varies=("window", "rope")),),
    channels=(place(SwiGLU, "mlp.", channel_rules),),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `SmolLM3ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = FAMILY.rules(architecture)
    require_one_window(architecture, "smollm3")
    return found
