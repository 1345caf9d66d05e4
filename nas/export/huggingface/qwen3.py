"""Weights of transformers' `qwen3`: llama with norms on queries and keys, and a sliding window in some layers."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, channel_rules, projections
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`Attention` with rotary positions and q/k norms as a Qwen3Attention. Raises ValueError for any other."""
    require(config, "qwen3", (*HEADS, "window"), always={"qk_norm": True})
    return (*projections(config), same("q_norm.weight", "q_norm.weight"), same("k_norm.weight", "k_norm.weight"))


FAMILY = Family(
    name="qwen3",
    mixers=(place(Attention, "self_attn.", attention_rules, varies=("window",)),),
    channels=(place(SwiGLU, "mlp.", channel_rules),),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `Qwen3ForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    found = FAMILY.rules(architecture)
    require_one_window(architecture, "qwen3")
    return found


def require_one_window(architecture: Architecture, family: str) -> None:
    """Raises ValueError when two layers have windows that differ, of which a config says one."""
    if len({mixer.window for _, mixer in architecture.parts() if isinstance(mixer, Attention)} - {None}) > 1:
        raise ValueError(f"window: transformers' {family} has one window for all layers that have one")
