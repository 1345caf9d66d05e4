"""Published language models at their full size, as architectures of ours, with the sizes that their authors give.

Exact totals are those of the published weights, as the model hub counts the tensors of a repository's safetensors files; the
others are rounded by who published them. Fields are those of the repository's config.json.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.objectives import MultiTokenPrediction
from search_spaces.primitives import Channel, Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import gated_deltanet, kda, lightning, mamba2
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv7 import RWKV7
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model as it was published.

    params: of all weights. missing: how many of them ours does not have; None where the figure is rounded. active_params: those
    one token uses, where they are given to three digits. tables_left_out: how many of input table and head that figure is
    without; a token reads one row of the first.
    """

    name: str
    source: str
    params: int
    architecture: Architecture
    missing: int | None = 0
    active_params: int | None = None
    tables_left_out: int = 0


def _of(
    d_model: int, vocab_size: int, layers: Iterable[Layer], *, tied: bool = False, mtp: MultiTokenPrediction | None = None
) -> Architecture:
    source = TokenInput(vocab_size=vocab_size, tie_embeddings=tied)
    return Architecture(d_model=d_model, input=source, core=tuple(layers), mtp=mtp)


def _layer(mixer: Mixer | None, channel: Channel | None) -> Layer:
    return Layer(mixers=() if mixer is None else (mixer,), channel=channel)


def _llama(n_kv_heads: int, d_ff: int, vocab_size: int, window: int | None = None) -> Architecture:
    mixer = Attention(n_heads=32, n_kv_heads=n_kv_heads, head_dim=128, window=window)
    return _of(4096, vocab_size, (_layer(mixer, SwiGLU(d_ff=d_ff)),) * 32)


def _mixtral() -> Architecture:
    mixer = Attention(n_heads=32, n_kv_heads=8, head_dim=128)
    return _of(4096, 32_000, (_layer(mixer, MoE(n_experts=8, top_k=2, d_expert=14_336)),) * 32)


def _deepseek_v3() -> Architecture:
    mixer = MLA(n_heads=128, kv_rank=512, q_rank=1536, nope_dim=128, rope_dim=64, value_dim=128)
    experts = MoE(n_experts=256, top_k=8, d_expert=2048, n_shared=1, balance="bias", normalise=True, scale=2.5)
    layers = (_layer(mixer, SwiGLU(d_ff=18_432)),) * 3 + (_layer(mixer, experts),) * 58
    return _of(7168, 129_280, layers)


def _jamba() -> Architecture:
    """attn_layer_period 8 and offset 4, expert_layer_period 2 and offset 1."""
    attention, mamba = Attention(n_heads=32, n_kv_heads=8, head_dim=128, rope=False), Mamba(bcdt_norm=True)
    dense, experts = SwiGLU(d_ff=14_336), MoE(n_experts=16, top_k=2, d_expert=14_336)
    return _of(
        4096,
        65_536,
        (_layer(attention if at % 8 == 4 else mamba, experts if at % 2 else dense) for at in range(32)),
    )


def _granite_h_small() -> Architecture:
    """Layers 5, 15, 25 and 35 are attention; the shared expert is as wide as two."""
    attention = Attention(n_heads=32, n_kv_heads=8, head_dim=128, rope=False)
    mamba = mamba2(4096, n_heads=128, state_size=128)
    experts = MoE(n_experts=72, top_k=10, d_expert=768, n_shared=2)
    return _of(4096, 100_352, (_layer(attention if at % 10 == 5 else mamba, experts) for at in range(40)), tied=True)


def _nemotron_h() -> Architecture:
    """hybrid_override_pattern; mixers and channel parts are layers of their own."""
    parts = {
        "M": _layer(mamba2(4096, n_heads=128, state_size=128, n_groups=8), None),
        "*": _layer(Attention(n_heads=32, n_kv_heads=8, head_dim=128, rope=False), None),
        "-": _layer(None, ReLU2(d_ff=21_504)),
    }
    return _of(4096, 131_072, (parts[part] for part in "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-"))


def _qwen3_8b() -> Architecture:
    mixer = Attention(n_heads=32, n_kv_heads=8, head_dim=128, qk_norm=True)
    return _of(4096, 151_936, (_layer(mixer, SwiGLU(d_ff=12_288)),) * 36)


def _qwen3_30b_a3b() -> Architecture:
    mixer = Attention(n_heads=32, n_kv_heads=4, head_dim=128, qk_norm=True)
    return _of(2048, 151_936, (_layer(mixer, MoE(n_experts=128, top_k=8, d_expert=768)),) * 48)


def _qwen3_next() -> Architecture:
    """full_attention_interval 4; the weights have one multi-token head, which is a layer of attention."""
    delta = gated_deltanet(2048, n_heads=32, key_dim=128, expand=2, n_groups=16)
    gated = Attention(n_heads=16, n_kv_heads=2, head_dim=256, rotary_fraction=0.25, qk_norm=True, output_gate=True)
    experts = MoE(n_experts=512, top_k=10, d_expert=512, n_shared=1, shared_gate=True)
    layers = (_layer(delta, experts),) * 3 + (_layer(gated, experts),)
    return _of(2048, 151_936, layers * 12, mtp=MultiTokenPrediction())


def _kimi_linear() -> Architecture:
    """Layers 4, 8, ... 24 and 27, counted from 1, are latent attention without positions; the first channel part is dense."""
    delta = kda(2304, n_heads=32, key_dim=128).model_copy(update={"value_dim": 128})
    latent = MLA(n_heads=32, kv_rank=512, nope_dim=128, rope_dim=64, value_dim=128, rope=False)
    experts = MoE(n_experts=256, top_k=8, d_expert=1024, n_shared=1, balance="bias", normalise=True, scale=2.446)
    return _of(
        2304,
        163_840,
        (
            _layer(latent if at % 4 == 0 or at == 27 else delta, SwiGLU(d_ff=9216) if at == 1 else experts)
            for at in range(1, 28)
        ),
    )


def _minimax() -> Architecture:
    """Every eighth of 80 layers is softmax attention."""
    softmax = Attention(n_heads=64, n_kv_heads=8, head_dim=128, rotary_fraction=0.5)
    linear = lightning(6144, n_heads=64, head_dim=128)
    experts = MoE(n_experts=32, top_k=2, d_expert=9216)
    return _of(6144, 200_064, ((_layer(linear, experts),) * 7 + (_layer(softmax, experts),)) * 10)


def _lfm2() -> Architecture:
    attention = Attention(n_heads=32, n_kv_heads=8, head_dim=64, qk_norm=True)
    layers = (_layer(attention if at in (2, 5, 8, 10, 12, 14) else ShortConv(), SwiGLU(d_ff=8192)) for at in range(16))
    return _of(2048, 65_536, layers, tied=True)


def _recurrent_gemma() -> Architecture:
    """Biases of the channel parts and behind attention are missing."""
    channel = SwiGLU(d_ff=7680, activation="gelu")
    local = Attention(n_heads=10, n_kv_heads=1, head_dim=256, window=2048, rotary_fraction=0.5)
    layers = (_layer(local if at % 3 == 2 else RGLRU(n_blocks=10), channel) for at in range(26))
    return _of(2560, 256_000, layers, tied=True)


def _rwkv7() -> Architecture:
    """Missing: the value residual (a projection of rank 64 with a bias, in every layer but the first), the channel part's token
    shift, and the norm behind the embedding."""
    mixer = RWKV7(n_heads=32, head_dim=64, decay_rank=96, replace_rank=96, gate_rank=256)
    layers = (_layer(mixer, ReLU2(d_ff=8192)),) * 24
    source = TokenInput(vocab_size=65_536, tie_embeddings=False)
    return Architecture(d_model=2048, input=source, core=layers, norm="layer")


HUB = "huggingface.co/{}: safetensors total"

MODELS = (
    # the weights have 64 rotary frequencies for each layer
    Published(
        name="Llama-2-7B",
        source=HUB.format("meta-llama/Llama-2-7b-hf"),
        params=6_738_417_664,
        missing=32 * 64,
        architecture=_llama(32, 11_008, 32_000),
    ),
    Published(
        name="Llama-3-8B",
        source=HUB.format("meta-llama/Meta-Llama-3-8B"),
        params=8_030_261_248,
        architecture=_llama(8, 14_336, 128_256),
    ),
    Published(
        name="Mistral-7B",
        source=HUB.format("mistralai/Mistral-7B-v0.1"),
        params=7_241_732_096,
        architecture=_llama(8, 14_336, 32_000, window=4096),
    ),
    Published(
        name="Mixtral-8x7B",
        source=HUB.format("mistralai/Mixtral-8x7B-v0.1") + "; 12.9B: mistral.ai/news/mixtral-of-experts",
        params=46_702_792_704,
        active_params=12_900_000_000,
        architecture=_mixtral(),
    ),
    # 36.7B is said to have both tables; it is what a token uses with the head alone
    Published(
        name="DeepSeek-V3",
        source="github.com/deepseek-ai/DeepSeek-V3: README_WEIGHTS.md, main model; arXiv 2412.19437",
        params=671_000_000_000,
        missing=None,
        active_params=36_700_000_000,
        tables_left_out=1,
        architecture=_deepseek_v3(),
    ),
    Published(
        name="Jamba-v0.1",
        source="huggingface.co/ai21labs/Jamba-v0.1: bytes of model.safetensors.index.json, halved; 52B in arXiv 2403.19887",
        params=51_574_000_000,
        missing=None,
        architecture=_jamba(),
    ),
    Published(
        name="Mamba-2.8B",
        source=HUB.format("state-spaces/mamba-2.8b-hf"),
        params=2_768_345_600,
        architecture=_of(2560, 50_280, (_layer(Mamba(), None),) * 64, tied=True),
    ),
    # the vocabulary of 50,277 is padded to a multiple of 16
    Published(
        name="Mamba-2-2.7B",
        source="huggingface.co/state-spaces/mamba2-2.7b: config.json in transformers' class; 2.7B in arXiv 2405.21060",
        params=2_702_599_680,
        architecture=_of(2560, 50_288, (_layer(mamba2(2560, n_heads=80, state_size=128), None),) * 64, tied=True),
    ),
    Published(
        name="Granite-4.0-H-Small",
        source=HUB.format("ibm-granite/granite-4.0-h-small"),
        params=32_207_337_984,
        architecture=_granite_h_small(),
    ),
    Published(
        name="Nemotron-H-8B",
        source=HUB.format("nvidia/Nemotron-H-8B-Base-8K"),
        params=8_101_000_000,
        missing=None,
        architecture=_nemotron_h(),
    ),
    Published(
        name="Qwen3-8B",
        source=HUB.format("Qwen/Qwen3-8B"),
        params=8_190_735_360,
        architecture=_qwen3_8b(),
    ),
    Published(
        name="Qwen3-30B-A3B",
        source=HUB.format("Qwen/Qwen3-30B-A3B"),
        params=30_532_122_624,
        architecture=_qwen3_30b_a3b(),
    ),
    Published(
        name="Qwen3-Next-80B-A3B",
        source=HUB.format("Qwen/Qwen3-Next-80B-A3B-Instruct"),
        params=81_324_862_720,
        architecture=_qwen3_next(),
    ),
    Published(
        name="Kimi-Linear-48B-A3B",
        source=HUB.format("moonshotai/Kimi-Linear-48B-A3B-Instruct"),
        params=49_123_000_000,
        missing=None,
        architecture=_kimi_linear(),
    ),
    Published(
        name="MiniMax-Text-01",
        source=HUB.format("MiniMaxAI/MiniMax-Text-01") + "; 45.9B in arXiv 2501.08313",
        params=456_089_000_000,
        missing=None,
        active_params=45_900_000_000,
        tables_left_out=2,
        architecture=_minimax(),
    ),
    Published(
        name="LFM2-1.2B",
        source=HUB.format("LiquidAI/LFM2-1.2B"),
        params=1_170_340_608,
        architecture=_lfm2(),
    ),
    Published(
        name="RecurrentGemma-2B",
        source="huggingface.co/google/recurrentgemma-2b: config.json in transformers' class; 2.7B in arXiv 2404.07839",
        params=2_682_862_080,
        missing=26 * (2 * 7680 + 2560) + 8 * 2560,
        architecture=_recurrent_gemma(),
    ),
    Published(
        name="RWKV-7-World-1.5B",
        source="arXiv 2503.14456; huggingface.co/BlinkDL/rwkv-7-world: tensors of the 1.5B checkpoint",
        params=1_527_404_544,
        missing=23 * (2 * 2048 * 64 + 2048) + 24 * 2048 + 2 * 2048,
        architecture=_rwkv7(),
    ),
)
