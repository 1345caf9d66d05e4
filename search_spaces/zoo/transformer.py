"""Transformers: grouped-query attention and SwiGLU in every layer, run once or looped."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.zoo.entry import ZooEntry, attention, ffn


def _layer(d_model: int) -> Layer:
    return Layer(mixers=(attention(d_model),), channel=ffn(d_model))


def _transformer(d_model: int, vocab_size: int) -> Architecture:
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), core=(_layer(d_model),) * 4)


def _looped(d_model: int, vocab_size: int) -> Architecture:
    layer = (_layer(d_model),)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        prelude=layer,
        core=layer,
        n_loops=3,
        injection="add",
        coda=layer,
    )


TRANSFORMER = ZooEntry(
    name="transformer",
    title="Transformer (GQA, rotary positions, SwiGLU)",
    source="arXiv 1706.03762, 2305.13245, 2104.09864, 2002.05202",
    simplified="The decoder as it is trained today: pre-norm RMSNorm, no biases, no dropout, tied embeddings; 4 layers.",
    builder=_transformer,
)
LOOPED_TRANSFORMER = ZooEntry(
    name="looped_transformer",
    title="Looped transformer: one layer, the core of three passes",
    source="arXiv 1807.03819, 2502.05171",
    simplified="A fixed number of loops, without halting and step embeddings; the core's input is added in every loop.",
    builder=_looped,
)
