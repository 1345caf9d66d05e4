"""Weights of transformers' `qwen3`: llama with norms on queries and keys, and a sliding window in some layers."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, model_rules, projections
from nas.export.huggingface.rules import Rule, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention


def rules(architecture: Architecture) -> tuple[Rule, ...]:
    """A whole `Qwen3ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = model_rules(architecture, "qwen3", attention_rules)
    if len({mixer.window for _, mixer in architecture.parts() if isinstance(mixer, Attention)} - {None}) > 1:
        raise ValueError("window: transformers' qwen3 has one window for all layers that have one")
    return found


def attention_rules(config: Attention) -> tuple[Rule, ...]:
    """`Attention` with rotary positions and q/k norms as a Qwen3Attention. Raises ValueError for any other."""
    require(config, "qwen3", (*HEADS, "window"), always={"qk_norm": True})
    return (*projections(config), same("q_norm.weight", "q_norm.weight"), same("k_norm.weight", "k_norm.weight"))
