"""One config of every preset and option of every primitive, for the suites that run over the whole catalogue.

A new primitive adds its lines here; no suite needs new code for it.
"""

from typing import Any

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives import Primitive
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence, gated_deltanet, gla, mamba2, retnet
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

D_MODEL = 32
VOCAB_SIZE = 40

# any primitive: a layer takes some of them as mixers, the others as channel parts
EXAMPLES: dict[str, Any] = {
    "mha": Attention(n_heads=4, n_kv_heads=4, head_dim=8),
    "gqa": Attention(n_heads=4, n_kv_heads=2, head_dim=8),
    "mqa_qk_norm": Attention(n_heads=4, n_kv_heads=1, head_dim=6, qk_norm=True),
    "nope": Attention(n_heads=2, n_kv_heads=2, head_dim=7, rope=False),
    "window": Attention(n_heads=4, n_kv_heads=2, head_dim=8, window=5),
    "window_1": Attention(n_heads=2, n_kv_heads=1, head_dim=8, window=1),
    "mamba2": mamba2(D_MODEL, n_heads=4, state_size=12),
    "mamba2_groups": mamba2(D_MODEL, n_heads=4, state_size=8, n_groups=2, conv_width=3),
    "retnet": retnet(D_MODEL, n_heads=4, key_dim=8),
    "gla": gla(D_MODEL, n_heads=4, key_dim=8, decay_rank=4),
    "gated_deltanet": gated_deltanet(D_MODEL, n_heads=4, key_dim=8),
    "delta_shared_keys": Recurrence(
        n_heads=4, n_groups=2, key_dim=8, value_dim=10, decay="none", write="delta", qk_norm=True, gate=False
    ),
    "delta_low_rank": Recurrence(
        n_heads=4, n_groups=2, key_dim=6, value_dim=8, decay="low_rank", decay_rank=3, write="delta", qk_norm=True
    ),
    "low_rank_shared_keys": Recurrence(
        n_heads=4, n_groups=1, key_dim=6, value_dim=8, decay="low_rank", decay_rank=3, skip=True, out_norm="gated"
    ),
    "linear_attention": Recurrence(
        n_heads=2, n_groups=2, key_dim=8, value_dim=8, decay="none", gate=False, rope=True, conv_width=2
    ),
    "step_add": Recurrence(n_heads=4, n_groups=4, key_dim=8, value_dim=4, decay="step", out_norm="head_plain"),
    "short_conv": ShortConv(),
    "short_conv_7": ShortConv(width=7),
    "swiglu": SwiGLU(d_ff=48),
    "geglu_top_k": SwiGLU(d_ff=48, activation="gelu", n_active=12),
    "relu2_glu_sub_norm": SwiGLU(d_ff=48, activation="relu2", sub_norm=True),
    "relu2": ReLU2(d_ff=40),
    "relu2_top_k": ReLU2(d_ff=40, n_active=10),
    "relu2_sub_norm": ReLU2(d_ff=40, sub_norm=True),
    "moe": MoE(n_experts=4, top_k=2, d_expert=16),
    "moe_shared": MoE(n_experts=8, top_k=1, d_expert=9, n_shared=2),
    "moe_bias": MoE(n_experts=5, top_k=5, d_expert=8, balance="bias"),
    "moe_zero": MoE(n_experts=4, top_k=2, d_expert=8, n_zero=2, scale=1.5, n_shared=1, shared_gate=True),
    "moe_deepseek": MoE(n_experts=6, top_k=3, d_expert=8, n_shared=1, balance="bias", normalise=True, scale=2.5),
    "moe_bias_fine": MoE(n_experts=16, top_k=4, d_expert=6, n_shared=1, balance="bias", balance_rate=0.001),
}


def architecture_of(primitive: Primitive) -> Architecture:
    """A mixer alone; a channel part behind a convolution, so that tokens depend on those before."""
    layer = {"mixers": (primitive,)} if primitive.role == "mixer" else {"mixers": (ShortConv(),), "channel": primitive}
    return Architecture(d_model=D_MODEL, input=TokenInput(vocab_size=VOCAB_SIZE), core=(Layer.model_validate(layer),))
