"""Hybrids of state spaces or convolutions with a little attention, at the ratio and place the literature gives them."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence, mamba2
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo.entry import HEAD_DIM, WINDOW, ZooEntry, attention, ffn, head_dim, heads, model

HYMBA_META = 8


def _mamba2(d_model: int) -> Recurrence:
    return mamba2(d_model, n_heads=heads(d_model), state_size=HEAD_DIM)


def _conv_attention(d_model: int, vocab_size: int) -> Architecture:
    convolution = Layer(mixers=(ShortConv(),), channel=ffn(d_model))
    normed = attention(d_model).model_copy(update={"qk_norm": True})
    return model(d_model, vocab_size, convolution, Layer(mixers=(normed,), channel=ffn(d_model)))


def _striped_hyena(d_model: int, vocab_size: int) -> Architecture:
    hyena = Layer(mixers=(Hyena(),), channel=ffn(d_model))
    stripe = Layer(mixers=(attention(d_model),), channel=ffn(d_model))
    return model(d_model, vocab_size, *(hyena, stripe) * 2)


def _jamba(d_model: int, vocab_size: int) -> Architecture:
    """Layer 4 of 8, counted from 0, is attention; every second layer is a mixture of experts, which count by their softmax."""
    experts, dense = MoE(n_experts=8, top_k=2, d_expert=d_model, normalise=False), SwiGLU(d_ff=d_model)
    layers = (
        Layer(
            mixers=(attention(d_model, rope=False) if position == 4 else Mamba(bcdt_norm=True),),
            channel=experts if position % 2 else dense,
        )
        for position in range(8)
    )
    return model(d_model, vocab_size, *layers)


def _samba(d_model: int, vocab_size: int) -> Architecture:
    recurrent = Layer(mixers=(Mamba(),), channel=ffn(d_model))
    local = Layer(mixers=(attention(d_model, window=WINDOW),), channel=ffn(d_model))
    return model(d_model, vocab_size, *(recurrent, local) * 2)


def _granite4_real(d_model: int, vocab_size: int) -> Architecture:
    """Layer 5 of 10, counted from 0, is attention."""
    return _granite(d_model, vocab_size, attention_at=(5,))


def _granite4_seed(d_model: int, vocab_size: int) -> Architecture:
    return _granite(d_model, vocab_size, attention_at=(2, 5, 8))


def _granite(d_model: int, vocab_size: int, attention_at: tuple[int, ...]) -> Architecture:
    recurrent = Layer(mixers=(_mamba2(d_model),), channel=ffn(d_model))
    top = Layer(mixers=(attention(d_model, rope=False),), channel=ffn(d_model))
    return model(d_model, vocab_size, *(top if position in attention_at else recurrent for position in range(10)))


def _hymba(d_model: int, vocab_size: int) -> Architecture:
    """Attention is global in the first, middle and last layer; of each two windowed layers between, the second has no keys.

    The meta tokens are the first of the sequence, so windows see them as global tokens.
    """
    everything = attention(d_model)
    local = attention(d_model, window=32).model_copy(update={"n_global": HYMBA_META})
    shared = local.model_copy(update={"share_kv": True})
    layers = (
        Layer(mixers=(mixer, Mamba()), fusion="norm_mean", channel=ffn(d_model))
        for mixer in (everything, local, shared, everything, local, shared, everything)
    )
    return Architecture(d_model=d_model, input=TokenInput(vocab_size=vocab_size), n_meta=HYMBA_META, core=tuple(layers))


def _zamba(d_model: int, vocab_size: int) -> Architecture:
    """The core begins with the shared attention, which reads the stream beside the core's own input."""
    recurrent = Layer(mixers=(Mamba(),))
    n_heads = heads(d_model)
    shared = Attention(n_heads=n_heads, n_kv_heads=n_heads, head_dim=head_dim(d_model))
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        prelude=(recurrent, recurrent),
        core=(Layer(mixers=(shared,), channel=ffn(d_model)), recurrent, recurrent),
        n_loops=2,
        injection="concat",
        coda=(recurrent,),
    )


def _nemotron_h(d_model: int, vocab_size: int) -> Architecture:
    """Mixers and channel parts are layers of their own; one attention layer follows the fourth Mamba-2."""
    recurrent, dense = Layer(mixers=(_mamba2(d_model),)), Layer(channel=ReLU2(d_ff=4 * d_model))
    top = Layer(mixers=(attention(d_model, rope=False),))
    return model(d_model, vocab_size, *(recurrent, dense) * 3, recurrent, top, dense, *(recurrent, dense) * 2)


CONV_ATTENTION = ZooEntry(
    name="conv_attention",
    title="Gated short convolution, then attention: the smallest hybrid that recalls",
    source="arXiv 2511.23404 (LFM2), 2312.04927",
    simplified="One layer of each, where LFM2 has 10 convolutions and 6 attention layers.",
    builder=_conv_attention,
)
STRIPED_HYENA = ZooEntry(
    name="striped_hyena",
    title="StripedHyena: Hyena and grouped-query attention in turn",
    source="github.com/togethercomputer/stripedhyena; arXiv 2302.10866 for Hyena",
    simplified="Filters from a small network, where the original has sums of 2 exponentials; 4 layers for 32.",
    builder=_striped_hyena,
)
JAMBA = ZooEntry(
    name="jamba",
    title="Jamba: 1 attention to 7 Mamba layers, mixture of experts in every second",
    source="arXiv 2403.19887",
    simplified="8 experts for 16; these and the dense parts are as wide as the model; one block of 8 layers.",
    builder=_jamba,
)
SAMBA = ZooEntry(
    name="samba",
    title="Samba: Mamba and sliding-window attention in turn",
    source="arXiv 2406.07522",
    simplified="A window of 64 tokens for 2048; 4 layers.",
    builder=_samba,
)
GRANITE4_REAL = ZooEntry(
    name="granite4_real",
    title="Granite 4.0 as published: 9 Mamba-2 layers to 1 attention, no positions",
    source="IBM Granite 4.0 H model cards (2025); arXiv 2405.21060 for Mamba-2",
    simplified="The dense model, without multipliers on embeddings, residuals, attention and logits; 10 layers for 40.",
    builder=_granite4_real,
)
GRANITE4_SEED = ZooEntry(
    name="granite4_seed",
    title="Granite 4.0 as often retold: 70 % Mamba-2, 30 % attention, no positions",
    source="secondary accounts of Granite 4.0; arXiv 2405.21060 for Mamba-2",
    simplified="Not what IBM published, which is 9 to 1 (granite4_real); attention spread evenly; 10 layers.",
    builder=_granite4_seed,
)
HYMBA = ZooEntry(
    name="hymba",
    title="Hymba: attention and Mamba side by side in every layer, meta tokens, shared keys",
    source="arXiv 2411.13676",
    simplified=(
        "Each branch has projections of its own, where the paper's share one, and no learned scale beside its norm's; "
        "8 meta tokens for 128, windows of 32 for 1024; 7 layers for 32."
    ),
    builder=_hymba,
)
ZAMBA = ZooEntry(
    name="zamba",
    title="Zamba: Mamba layers, and one attention block used again and again",
    source="arXiv 2405.16712",
    simplified=(
        "The attention block returns together with two Mamba layers, whose weights are therefore shared too; what is put "
        "beside the stream is the core's first input, not the embeddings; 2 uses."
    ),
    builder=_zamba,
)
NEMOTRON_H = ZooEntry(
    name="nemotron_h",
    title="Nemotron-H: Mamba-2 and squared-ReLU layers in turn, about 8 % attention",
    source="arXiv 2504.03624",
    simplified="13 layers, of which 1 is attention, where the 8B model has 52 and 4; one group of keys for 8.",
    builder=_nemotron_h,
)
