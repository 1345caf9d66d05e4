"""Decoders of softmax attention: the plain one, the one with a segment memory, and those that see a pattern of tokens."""

from search_spaces.architecture import Architecture, Layer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.segment_attention import SegmentAttention
from search_spaces.zoo.entry import WINDOW, ZooEntry, attention, ffn, head_dim, heads, model, stack


def _transformer(d_model: int, vocab_size: int) -> Architecture:
    return stack(4, attention(d_model), ffn(d_model), d_model, vocab_size)


def _transformer_xl(d_model: int, vocab_size: int) -> Architecture:
    mixer = SegmentAttention(n_heads=heads(d_model), head_dim=head_dim(d_model), segment=64, memory=64)
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


def _sparse_transformer(d_model: int, vocab_size: int) -> Architecture:
    """Strided and fixed in turn; a stride of about the root of the length."""
    n_heads, size = heads(d_model), head_dim(d_model)
    strided = Attention(n_heads=n_heads, n_kv_heads=n_heads, head_dim=size, pattern="strided", stride=16)
    fixed = Attention(n_heads=n_heads, n_kv_heads=n_heads, head_dim=size, pattern="fixed", stride=16, n_summary=2)
    layers = (Layer(mixers=(mixer,), channel=ffn(d_model)) for mixer in (strided, fixed) * 2)
    return model(d_model, vocab_size, *layers, norm="layer")


def _longformer(d_model: int, vocab_size: int) -> Architecture:
    """Windows grow from layer to layer."""
    n_heads, size = heads(d_model), head_dim(d_model)
    mixers = (
        Attention(n_heads=n_heads, n_kv_heads=n_heads, head_dim=size, window=window, n_global=2)
        for window in (16, 32, WINDOW, WINDOW)
    )
    return model(d_model, vocab_size, *(Layer(mixers=(mixer,), channel=ffn(d_model)) for mixer in mixers))


def _bigbird(d_model: int, vocab_size: int) -> Architecture:
    n_heads = heads(d_model)
    mixer = Attention(
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=head_dim(d_model),
        pattern="bigbird",
        block_size=16,
        n_global=1,
        n_random=1,
    )
    return stack(4, mixer, ffn(d_model), d_model, vocab_size)


TRANSFORMER = ZooEntry(
    name="transformer",
    title="Transformer: grouped-query attention, rotary positions, SwiGLU",
    source="arXiv 1706.03762, 2305.13245, 2104.09864, 2002.05202",
    simplified="The decoder as it is trained today: pre-norm RMSNorm, no biases, no dropout, tied embeddings; 4 layers.",
    builder=_transformer,
)
TRANSFORMER_XL = ZooEntry(
    name="transformer_xl",
    title="Transformer-XL: segments that see a memory of the one before, relative positions",
    source="arXiv 1901.02860",
    simplified="Pre-norm RMSNorm and SwiGLU for LayerNorm behind and ReLU; segments and memory of 64 tokens; 4 layers.",
    builder=_transformer_xl,
)
SPARSE_TRANSFORMER = ZooEntry(
    name="sparse_transformer",
    title="Sparse Transformer: strided and fixed patterns, about the root of the length apart",
    source="arXiv 1904.10509",
    simplified=(
        "The two patterns alternate, where the paper takes one for all layers; rotary positions and SwiGLU for learned "
        "positions and GELU; stride 16; 4 layers."
    ),
    builder=_sparse_transformer,
)
LONGFORMER = ZooEntry(
    name="longformer",
    title="Longformer: sliding windows that grow with depth, and a few global tokens",
    source="arXiv 2004.05150",
    simplified=(
        "A decoder, so global tokens are seen but do not look ahead, and have no projections of their own; the first 2 tokens "
        "are global; no dilation; windows of 16 to 64; 4 layers."
    ),
    builder=_longformer,
)
BIGBIRD = ZooEntry(
    name="bigbird",
    title="BigBird: blocks that see their neighbour, a global and a random block",
    source="arXiv 2007.14062",
    simplified=(
        "A decoder: a block sees itself and the one before, not the one after; 1 global and 1 random block of 16 tokens; "
        "rotary positions, SwiGLU; 4 layers."
    ),
    builder=_bigbird,
)
