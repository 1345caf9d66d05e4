"""Weights of transformers' `llama`, layer by layer and as a whole model; families like it build on these rules."""

from nas.export.huggingface.holds import require
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same, stacked
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU

HEADS = ("kind", "n_heads", "n_kv_heads", "head_dim")


def attention_rules(config: Attention) -> Rules:
    """`Attention` over everything with rotary positions as a LlamaAttention. Raises ValueError for any other."""
    require(config, "llama", HEADS)
    return projections(config)


def channel_rules(config: SwiGLU) -> Rules:
    """`SwiGLU` as a LlamaMLP. Raises ValueError for other activations, sub-norms and neuron-level top-k."""
    require(config, "llama", ("kind", "d_ff"))
    return feed_forward(config.d_ff)


def projections(config: Attention, output: str = "o_proj") -> Rules:
    """Queries, keys, values and output of any attention without an output gate."""
    sizes = [heads * config.head_dim for heads in (config.n_heads, config.n_kv_heads, config.n_kv_heads)]
    joined = stacked("in_proj.weight", tuple(f"{name}_proj.weight" for name in "qkv"), sizes)
    return joined, same("out_proj.weight", f"{output}.weight")


def feed_forward(d_ff: int, gate: str = "gate_proj", up: str = "up_proj", down: str = "down_proj") -> Rules:
    """Gate, up and down projection of any gated feed-forward."""
    joined = stacked("in_proj.weight", (f"{gate}.weight", f"{up}.weight"), (d_ff, d_ff))
    return joined, same("out_proj.weight", f"{down}.weight")


FAMILY = Family(
    name="llama",
    mixers=(place(Attention, "self_attn.", attention_rules),),
    channels=(place(SwiGLU, "mlp.", channel_rules),),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `LlamaForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
