"""Models trained with weights of few bits."""

from search_spaces.architecture import Architecture, Layer, Numerics, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo.entry import ZooEntry, head_dim, heads


def _bitnet(d_model: int, vocab_size: int) -> Architecture:
    """Sub-norms before the output projections of both parts; squared ReLU in the gate."""
    n_heads = heads(d_model)
    mixer = Attention(n_heads=n_heads, n_kv_heads=max(1, n_heads // 4), head_dim=head_dim(d_model), sub_norm=True)
    channel = SwiGLU(d_ff=2 * d_model, activation="relu2", sub_norm=True)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        core=(Layer(mixers=(mixer,), channel=channel),) * 4,
        numerics=Numerics(weights="ternary", activations="int8"),
    )


BITNET = ZooEntry(
    name="bitnet",
    title="BitNet b1.58: ternary weights, 8-bit activations, sub-norms, squared ReLU",
    source="arXiv 2402.17764, 2504.12285 (2B4T)",
    simplified="Hidden width 2 d_model where the 2B model has 2.7; trained by the study's recipe, not in two stages; 4 layers.",
    builder=_bitnet,
)
