"""BitNet b1.58's layers (transformers `bitnet`): a norm before each output projection, and squared-ReLU gates.

The same weights serve both ways to run them: in full precision, or with every projection an `AutoBitLinear`, which rounds to
three values and is `Numerics(weights="ternary", activations="int8")` here.
"""

from nas.export.huggingface.rules import Rule, same, stacked
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> tuple[Rule, ...]:
    """`BitNetAttention`: full heads with a norm over all of them."""
    queries, keys = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    return (
        stacked("in_proj.weight", [f"{name}_proj.weight" for name in "qkv"], (queries, keys, keys)),
        same("sub_norm.weight", "attn_sub_norm.weight"),
        same("out_proj.weight", "o_proj.weight"),
    )


def channel_rules(config: SwiGLU) -> tuple[Rule, ...]:
    """`BitNetMLP`: act(gate) * up with a norm before the way back."""
    return (
        stacked("in_proj.weight", ("gate_proj.weight", "up_proj.weight"), (config.d_ff, config.d_ff)),
        same("sub_norm.weight", "ffn_sub_norm.weight"),
        same("out_proj.weight", "down_proj.weight"),
    )
