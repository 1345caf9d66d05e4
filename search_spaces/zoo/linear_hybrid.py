"""Hybrids of linear attention or gated recurrences with a little softmax attention."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.objectives import MultiTokenPrediction
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import gated_deltanet, kda, lightning
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo.entry import HEAD_DIM, WINDOW, ZooEntry, attention, ffn, head_dim, heads, model, rotary_fraction


def _minimax(d_model: int, vocab_size: int) -> Architecture:
    """The last of 8 layers is softmax attention; decays grow slower with depth."""
    n_layers, n_heads = 8, heads(d_model)
    softmax = Attention(
        n_heads=n_heads,
        n_kv_heads=max(1, n_heads // 8),
        head_dim=head_dim(d_model),
        rotary_fraction=rotary_fraction(d_model, 0.5),
    )
    linear = (
        lightning(d_model, n_heads=n_heads, decay_scale=1 - index / (n_layers - 1) + 1e-5) for index in range(n_layers - 1)
    )
    experts = MoE(n_experts=8, top_k=2, d_expert=d_model // 2)
    return model(
        d_model,
        vocab_size,
        *(Layer(mixers=(mixer,), channel=experts) for mixer in linear),
        Layer(mixers=(softmax,), channel=experts),
    )


def _kimi_linear(d_model: int, vocab_size: int) -> Architecture:
    """Three KDA layers, then latent attention without positions; the first channel part is dense."""
    n_heads, size = heads(d_model), head_dim(d_model)
    delta = kda(d_model, n_heads=n_heads, key_dim=size)
    latent = MLA(n_heads=n_heads, kv_rank=d_model // 4, nope_dim=size, rope_dim=8, value_dim=size, rope=False)
    experts = MoE(
        n_experts=16,
        top_k=4,
        d_expert=d_model // 4,
        n_shared=1,
        balance="bias",
        balance_rate=0.001,
        normalise=True,
        scale=2.446,
    )
    first = Layer(mixers=(delta,), channel=ffn(d_model))
    routed = (Layer(mixers=(mixer,), channel=experts) for mixer in (delta, delta, latent))
    return model(d_model, vocab_size, first, *routed)


def _qwen3_next(d_model: int, vocab_size: int) -> Architecture:
    """Three Gated DeltaNet layers, then gated attention with rotary positions on a quarter of each head."""
    n_heads = heads(d_model)
    delta = gated_deltanet(d_model, n_heads=n_heads, key_dim=HEAD_DIM, n_groups=max(1, n_heads // 2))
    gated = Attention(
        n_heads=n_heads,
        n_kv_heads=max(1, n_heads // 8),
        head_dim=head_dim(d_model),
        rotary_fraction=rotary_fraction(d_model, 0.25),
        qk_norm=True,
        output_gate=True,
    )
    experts = MoE(n_experts=16, top_k=4, d_expert=d_model // 4, n_shared=1, shared_gate=True)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        core=tuple(Layer(mixers=(mixer,), channel=experts) for mixer in (delta, delta, delta, gated)),
        mtp=MultiTokenPrediction(),
    )


def _linear_bottom(d_model: int, vocab_size: int) -> Architecture:
    linear = Layer(mixers=(gated_deltanet(d_model, n_heads=heads(d_model), key_dim=HEAD_DIM),), channel=ffn(d_model))
    top = Layer(mixers=(attention(d_model),), channel=ffn(d_model))
    return model(d_model, vocab_size, linear, linear, linear, linear, top)


def _griffin(d_model: int, vocab_size: int) -> Architecture:
    """Two recurrent layers, then one of local attention with a single key/value head."""
    n_heads = heads(d_model)
    local = Attention(
        n_heads=n_heads,
        n_kv_heads=1,
        head_dim=head_dim(d_model),
        window=WINDOW,
        rotary_fraction=rotary_fraction(d_model, 0.5),
    )
    channel = SwiGLU(d_ff=3 * d_model, activation="gelu")
    recurrent = Layer(mixers=(RGLRU(n_blocks=n_heads),), channel=channel)
    return model(d_model, vocab_size, *(recurrent, recurrent, Layer(mixers=(local,), channel=channel)) * 2)


MINIMAX = ZooEntry(
    name="minimax",
    title="MiniMax-01: 7 layers of lightning attention to 1 of softmax, experts in all",
    source="arXiv 2501.08313",
    simplified="2 of 8 small experts for 2 of 32; plain pre-norm residuals for DeepNorm; 8 layers for 80.",
    builder=_minimax,
)
KIMI_LINEAR = ZooEntry(
    name="kimi_linear",
    title="Kimi Linear: 3 delta-attention layers to 1 of latent attention without positions",
    source="arXiv 2510.26692",
    simplified="4 of 16 routed experts for 8 of 256; 4 layers for 27.",
    builder=_kimi_linear,
)
QWEN3_NEXT = ZooEntry(
    name="qwen3_next",
    title="Qwen3-Next: 3 Gated DeltaNet layers to 1 of gated attention, small experts",
    source="Qwen3-Next model card (2025); arXiv 2412.06464, 2505.06708 (gated attention)",
    simplified="4 of 16 routed experts for 10 of 512; values as wide as the model, not twice; 4 layers for 48.",
    builder=_qwen3_next,
)
GRIFFIN = ZooEntry(
    name="griffin",
    title="Griffin, RecurrentGemma: 2 gated linear recurrences to 1 of local attention",
    source="arXiv 2402.19427, 2404.07839 (RecurrentGemma)",
    simplified="A window of 64 tokens for 2048; no embedding scale, no logit cap; 6 layers for 26.",
    builder=_griffin,
)
LINEAR_BOTTOM_ATTENTION_TOP = ZooEntry(
    name="linear_bottom_attention_top",
    title="80/20: linear layers below, full attention in the top fifth",
    source="arXiv 2412.06464 for the linear layers; the split is a common prediction, not a paper's",
    simplified="Gated DeltaNet as the linear mixer; 5 layers.",
    builder=_linear_bottom,
)
