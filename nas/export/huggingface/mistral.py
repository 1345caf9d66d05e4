"""Weights of transformers' `mistral`: llama with one sliding window for all layers, or none."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, model_rules, projections
from nas.export.huggingface.rules import Rule
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention


def rules(architecture: Architecture) -> tuple[Rule, ...]:
    """A whole `MistralForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = model_rules(architecture, "mistral", attention_rules)
    if len({mixer.window for _, mixer in architecture.parts() if isinstance(mixer, Attention)}) > 1:
        raise ValueError("window: transformers' mistral has one window for all its layers")
    return found


def attention_rules(config: Attention) -> tuple[Rule, ...]:
    """`Attention` with rotary positions and maybe a window as a MistralAttention. Raises ValueError for any other."""
    require(config, "mistral", (*HEADS, "window"))
    return projections(config)
