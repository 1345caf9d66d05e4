"""Random architectures that classes of transformers have: sizes, patterns of layers, heads, windows, experts and ends vary."""

from collections.abc import Callable
from random import Random

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.norm import NormKind
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.primitives import Channel, Mixer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence, gated_deltanet, kda, mamba2
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU

WIDTHS = (16, 24, 32)
VOCABULARIES = (40, 61, 64)

Draw = Callable[[Random, int], list[Layer]]
"""Layers of a family at a width."""


def sample(family: str, seed: int) -> Architecture:
    """One architecture of a family; equal seeds give equal ones."""
    random = Random(f"{family} {seed}")
    d_model = random.choice(WIDTHS)
    norm: NormKind = "layer" if family == "rwkv" else "rms"
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=random.choice(VOCABULARIES), tie_embeddings=random.random() < 0.5),
        core=tuple(FAMILIES[family](random, d_model)),
        norm=norm,
        mtp=MultiTokenPrediction() if random.random() < 0.1 else None,
        next_latent=NextLatent(d_hidden=8) if random.random() < 0.1 else None,
    )


def _attention(random: Random, **fields: object) -> Attention:
    n_heads = random.choice((1, 2, 4))
    shared = random.choice([n for n in (1, 2, 4) if n <= n_heads])
    sizes = {"n_heads": n_heads, "n_kv_heads": shared, "head_dim": random.choice((4, 8, 12))}
    return Attention.model_validate(sizes | fields)


def _filling(random: Random, d_model: int, **fields: object) -> Attention:
    """Heads that are together as wide as the model, and of channels that halves of turn in pairs."""
    n_heads = random.choice([n for n in (1, 2, 4) if d_model // n % 4 == 0])
    return _attention(random, n_heads=n_heads, n_kv_heads=random.choice((1, n_heads)), head_dim=d_model // n_heads, **fields)


def _gated(random: Random, **fields: object) -> SwiGLU:
    return SwiGLU.model_validate({"d_ff": random.choice((12, 20, 33))} | fields)


def _experts(random: Random, **fields: object) -> MoE:
    n_experts = random.choice((2, 3, 6))
    sizes = {"n_experts": n_experts, "top_k": random.choice((1, 2)), "d_expert": random.choice((6, 12))}
    return MoE.model_validate(sizes | fields)


def _biased(random: Random) -> MoE:
    fields = {"normalise": random.random() < 0.5, "scale": random.choice((1.0, 2.5)), "n_shared": random.choice((1, 2))}
    return _experts(random, balance="bias", **fields)


def _ssd(random: Random, d_model: int) -> Recurrence:
    n_heads = random.choice((2, 4))
    sizes = {"expand": random.choice((1, 2)), "n_groups": random.choice((1, 2)), "conv_width": random.choice((2, 4))}
    return mamba2(d_model, n_heads=n_heads, state_size=random.choice((4, 9)), **sizes)


def _scan(random: Random, norms: bool) -> Mamba:
    sizes = {"expand": random.choice((1, 2)), "state_size": random.choice((3, 8)), "conv_width": random.choice((2, 4))}
    return Mamba.model_validate({**sizes, "dt_rank": random.choice((None, 3)), "bcdt_norm": norms})


def _latent(random: Random, rope: bool) -> MLA:
    sizes = {"n_heads": random.choice((1, 2, 4)), "kv_rank": random.choice((6, 12)), "q_rank": random.choice((None, 8))}
    dims = {"nope_dim": random.choice((4, 6)), "rope_dim": random.choice((2, 4)), "value_dim": random.choice((4, 10))}
    return MLA.model_validate({**sizes, **dims, "rope": rope})


def _layers(random: Random, mixers: list[Mixer], channels: list[Channel]) -> list[Layer]:
    """One to four layers, each of one of these mixers and one of these channel parts."""
    numbers = range(random.randint(1, 4))
    return [Layer(mixers=(random.choice(mixers),), channel=random.choice(channels)) for _ in numbers]


def _one_kind(mixer: Callable[[Random, int], Mixer], channel: Callable[[Random], Channel]) -> Draw:
    """Layers that are all alike."""
    return lambda random, d_model: _layers(random, [mixer(random, d_model)], [channel(random)])


def _qwen3(random: Random, _: int) -> list[Layer]:
    full = _attention(random, qk_norm=True)
    return _layers(random, [full, full.model_copy(update={"window": random.randint(2, 9)})], [_gated(random)])


def _smollm3(random: Random, _: int) -> list[Layer]:
    plain, window = _attention(random), random.randint(2, 9)
    kinds = [plain.model_copy(update={"window": w, "rope": rope}) for w in (None, window) for rope in (True, False)]
    return _layers(random, [*kinds], [_gated(random)])


def _qwen3_moe(random: Random, _: int) -> list[Layer]:
    mixer = _attention(random, qk_norm=True, window=random.choice((None, 4)))
    return _layers(random, [mixer], [_gated(random), _experts(random, normalise=random.random() < 0.5)])


def _qwen2_moe(random: Random, _: int) -> list[Layer]:
    full = _attention(random)
    shares = {"n_shared": random.choice((1, 2)), "shared_gate": random.random() < 0.5, "normalise": random.random() < 0.5}
    mixers: list[Mixer] = [full, full.model_copy(update={"window": random.randint(2, 9)})]
    return _layers(random, mixers, [_gated(random), _experts(random, **shares)])


def _ernie4_5_moe(random: Random, _: int) -> list[Layer]:
    """Experts in every so many layers, from one on."""
    mixer, dense, experts = _attention(random), _gated(random), _experts(random, n_shared=random.choice((0, 1, 2)))
    interval, start = random.randint(1, 3), random.randint(0, 2)
    sparse = [number >= start and number % interval == interval - 1 for number in range(random.randint(1, 5))]
    return [Layer(mixers=(mixer,), channel=experts if is_sparse else dense) for is_sparse in sparse]


def _deepseek_v3(random: Random, _: int) -> list[Layer]:
    """Dense layers, then those with experts."""
    found = _layers(random, [_latent(random, rope=True)], [_gated(random), _biased(random)])
    return sorted(found, key=lambda layer: isinstance(layer.channel, MoE))


def _gpt_oss(random: Random, _: int) -> list[Layer]:
    full = _attention(random, sink=True)
    return _layers(random, [full, full.model_copy(update={"window": random.randint(2, 9)})], [_experts(random)])


def _bitnet(random: Random, d_model: int) -> list[Layer]:
    return _layers(random, [_filling(random, d_model, sub_norm=True)], [_gated(random, activation="relu2", sub_norm=True)])


def _mamba(random: Random, _: int) -> list[Layer]:
    return [Layer(mixers=(_scan(random, norms=False),))] * random.randint(1, 3)


def _mamba2(random: Random, d_model: int) -> list[Layer]:
    return [Layer(mixers=(_ssd(random, d_model),))] * random.randint(1, 3)


def _rwkv(random: Random, d_model: int) -> list[Layer]:
    mixer = RWKV4(width=random.choice((None, d_model + 4)))
    return [Layer(mixers=(mixer,), channel=RWKVChannel(d_ff=random.choice((20, 33))))] * random.randint(2, 4)


def _lfm2(random: Random, _: int) -> list[Layer]:
    return _layers(random, [ShortConv(width=random.choice((2, 3, 5))), _attention(random, qk_norm=True)], [_gated(random)])


def _jamba(random: Random, _: int) -> list[Layer]:
    """Attention, and experts, every so many layers."""
    experts = _experts(random, normalise=False)
    parts: list[list[Mixer | Channel]] = [
        [_scan(random, norms=True), _attention(random, rope=False)],
        [SwiGLU(d_ff=experts.d_expert), experts],
    ]
    places = [(random.randint(1, 3), random.randint(0, 2)) for _ in parts]
    numbers = range(random.randint(1, 5))
    chosen = (
        [pair[index % period == offset % period] for index in numbers]
        for pair, (period, offset) in zip(parts, places, strict=True)
    )
    return [Layer.model_validate({"mixers": (mixer,), "channel": channel}) for mixer, channel in zip(*chosen, strict=True)]


def _granitemoehybrid(random: Random, d_model: int) -> list[Layer]:
    channel = _gated(random) if random.random() < 0.5 else _experts(random, n_shared=random.choice((1, 2)))
    return _layers(random, [_ssd(random, d_model), _attention(random, rope=random.random() < 0.5)], [channel])


def _bamba(random: Random, d_model: int) -> list[Layer]:
    return _layers(random, [_ssd(random, d_model), _attention(random, rotary_fraction=0.5)], [_gated(random)])


def _falcon_h1(random: Random, d_model: int) -> list[Layer]:
    layer = Layer(mixers=(_attention(random), _ssd(random, d_model)), channel=_gated(random))
    return [layer] * random.randint(1, 3)


def _nemotron_h(random: Random, d_model: int) -> list[Layer]:
    mixers: list[Mixer] = [_ssd(random, d_model), _attention(random, rope=False)]
    dense = ReLU2(d_ff=random.choice((12, 20)))
    layers = [Layer(mixers=(mixer,), channel=channel) for mixer in mixers for channel in (None, dense)]
    return random.choices([*layers, Layer(channel=dense)], k=random.randint(1, 4))


def _qwen3_next(random: Random, d_model: int) -> list[Layer]:
    n_groups = random.choice((1, 2))
    delta = gated_deltanet(d_model, n_heads=2 * n_groups, key_dim=random.choice((4, 6)), n_groups=n_groups)
    gated = _attention(random, head_dim=8, qk_norm=True, output_gate=True, rotary_fraction=random.choice((0.25, 1.0)))
    shares = {"n_shared": random.choice((1, 2)), "shared_gate": random.random() < 0.5}
    experts = _experts(random, **shares, normalise=random.random() < 0.5)
    return _layers(random, [delta, gated], [_gated(random), experts])


def _kimi_linear(random: Random, d_model: int) -> list[Layer]:
    n_heads = random.choice((2, 4))
    delta = kda(d_model, n_heads=n_heads, key_dim=d_model // n_heads, conv_width=random.choice((2, 4)))
    return _layers(random, [delta, _latent(random, rope=False)], [_gated(random), _biased(random)])


def _recurrent_gemma(random: Random, d_model: int) -> list[Layer]:
    local = _filling(random, d_model, window=random.randint(2, 9), rotary_fraction=0.5)
    block = RGLRU(n_blocks=local.n_heads, width=random.choice((None, 2 * d_model)))
    return _layers(random, [block, local], [_gated(random, activation="gelu")])


FAMILIES: dict[str, Draw] = {
    "llama": _one_kind(lambda random, _: _attention(random), _gated),
    "mistral": _one_kind(lambda random, _: _attention(random, window=random.randint(2, 9)), _gated),
    "qwen3": _qwen3,
    "smollm3": _smollm3,
    "mixtral": _one_kind(lambda random, _: _attention(random, window=random.choice((None, 4))), _experts),
    "qwen3_moe": _qwen3_moe,
    "qwen2_moe": _qwen2_moe,
    "ernie4_5_moe": _ernie4_5_moe,
    "deepseek_v3": _deepseek_v3,
    "gpt_oss": _gpt_oss,
    "bitnet": _bitnet,
    "mamba": _mamba,
    "mamba2": _mamba2,
    "rwkv": _rwkv,
    "lfm2": _lfm2,
    "jamba": _jamba,
    "granitemoehybrid": _granitemoehybrid,
    "bamba": _bamba,
    "falcon_h1": _falcon_h1,
    "nemotron_h": _nemotron_h,
    "qwen3_next": _qwen3_next,
    "kimi_linear": _kimi_linear,
    "recurrent_gemma": _recurrent_gemma,
}
