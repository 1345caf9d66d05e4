"""Hybrids: a few attention layers among linear mixers, at the ratio and place the literature gives them."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence, gated_deltanet, mamba2
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.zoo.entry import HEAD_DIM, ZooEntry, attention, ffn, heads


def _mamba2(d_model: int) -> Recurrence:
    return mamba2(d_model, n_heads=heads(d_model), state_size=HEAD_DIM)


def _conv_attention(d_model: int, vocab_size: int) -> Architecture:
    convolution = Layer(mixers=(ShortConv(),), channel=ffn(d_model))
    top = Layer(mixers=(attention(d_model),), channel=ffn(d_model))
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), core=(convolution, top))


def _jamba(d_model: int, vocab_size: int) -> Architecture:
    """Layer 4 of 8 is attention; every second layer is a mixture of experts."""
    experts = MoE(n_experts=8, top_k=2, d_expert=d_model)
    layers = (
        Layer(
            mixers=(attention(d_model, rope=False) if position == 4 else _mamba2(d_model),),
            channel=experts if position % 2 else ffn(d_model),
        )
        for position in range(8)
    )
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), core=tuple(layers))


def _linear_bottom(d_model: int, vocab_size: int) -> Architecture:
    linear = Layer(mixers=(gated_deltanet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM),), channel=ffn(d_model))
    top = Layer(mixers=(attention(d_model),), channel=ffn(d_model))
    core = (linear,) * 4 + (top,)
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), core=core)


CONV_ATTENTION = ZooEntry(
    name="conv_attention",
    title="Gated short convolution, then attention: the smallest hybrid that recalls",
    source="arXiv 2511.23404 (LFM2), 2312.04927",
    simplified="One layer of each, where LFM2 has 10 convolutions and 6 attention layers.",
    builder=_conv_attention,
)
JAMBA = ZooEntry(
    name="jamba",
    title="Jamba: 1 attention to 7 recurrent layers, mixture of experts in every second",
    source="arXiv 2403.19887",
    simplified="Mamba-2 for Mamba; 8 experts for 16; one block of 8 layers.",
    builder=_jamba,
)
LINEAR_BOTTOM_ATTENTION_TOP = ZooEntry(
    name="linear_bottom_attention_top",
    title="80/20: linear layers below, full attention in the top fifth",
    source="arXiv 2412.06464 for the linear layers; the split is a common prediction, not a paper's",
    simplified="Gated DeltaNet as the linear mixer; 5 layers.",
    builder=_linear_bottom,
)
