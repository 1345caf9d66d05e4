"""BitNet b1.58's layers (transformers `bitnet`): a norm before each output projection, and squared-ReLU gates.

The same weights serve both ways to run them: in full precision, or with every projection an `AutoBitLinear`, which rounds to
three values and is `Numerics(weights="ternary", activations="int8")` here.
"""

from nas.export.huggingface.holds import require
from nas.export.huggingface.llama import HEADS, feed_forward, projections
from nas.export.huggingface.model import Family, place
from nas.export.huggingface.rules import Rules, same
from search_spaces.architecture import Architecture
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU


def attention_rules(config: Attention) -> Rules:
    """`BitNetAttention`: full heads with a norm over all of them. Raises ValueError for any other."""
    require(config, "bitnet", HEADS, always={"sub_norm": True})
    return (*projections(config), same("sub_norm.weight", "attn_sub_norm.weight"))


def channel_rules(config: SwiGLU) -> Rules:
    """`BitNetMLP`: act(gate) * up with a norm before the way back. Raises ValueError for any other."""
    require(config, "bitnet", ("kind", "d_ff"), always={"activation": "relu2", "sub_norm": True})
    return (*feed_forward(config.d_ff), same("sub_norm.weight", "ffn_sub_norm.weight"))


FAMILY = Family(
    name="bitnet",
    mixers=(place(Attention, "self_attn.", attention_rules),),
    channels=(place(SwiGLU, "mlp.", channel_rules),),
    has=("numerics",),
)


def rules(architecture: Architecture) -> Rules:
    """A whole `BitNetForCausalLM`. Raises ValueError, naming the field, for an architecture that it cannot hold."""
    return FAMILY.rules(architecture)
