"""Mixtures of experts, from one large expert for each token to many small ones beside a shared one."""

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.objectives import MultiTokenPrediction
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.zoo.entry import ZooEntry, attention, ffn, head_dim, heads, model, stack


def _multi_head(d_model: int) -> Attention:
    return Attention(n_heads=heads(d_model), n_kv_heads=heads(d_model), head_dim=head_dim(d_model))


def _every_second(experts: MoE, d_model: int, vocab_size: int) -> Architecture:
    dense = Layer(mixers=(_multi_head(d_model),), channel=ffn(d_model))
    routed = Layer(mixers=(_multi_head(d_model),), channel=experts)
    return model(d_model, vocab_size, *(dense, routed) * 2)


def _switch(d_model: int, vocab_size: int) -> Architecture:
    experts = MoE(n_experts=8, top_k=1, d_expert=2 * d_model, normalise=False, capacity=1.25)
    return _every_second(experts, d_model, vocab_size)


def _glam(d_model: int, vocab_size: int) -> Architecture:
    experts = MoE(n_experts=8, top_k=2, d_expert=2 * d_model)
    return _every_second(experts, d_model, vocab_size)


def _mixtral(d_model: int, vocab_size: int) -> Architecture:
    experts = MoE(n_experts=8, top_k=2, d_expert=d_model)
    return stack(4, attention(d_model), experts, d_model, vocab_size)


def _deepseek_moe(d_model: int, vocab_size: int) -> Architecture:
    """The first layer is dense."""
    mixer = _multi_head(d_model)
    experts = MoE(n_experts=16, top_k=4, d_expert=d_model // 4, n_shared=2, normalise=False)
    dense, routed = Layer(mixers=(mixer,), channel=ffn(d_model)), Layer(mixers=(mixer,), channel=experts)
    return model(d_model, vocab_size, dense, routed, routed, routed)


def _deepseek_v3(d_model: int, vocab_size: int) -> Architecture:
    """The first layer is dense; a chosen expert's weight is its sigmoid score, normalised over the chosen ones."""
    size = head_dim(d_model)
    mixer = MLA(n_heads=heads(d_model), kv_rank=d_model // 4, q_rank=d_model // 2, nope_dim=size, rope_dim=8, value_dim=size)
    experts = MoE(
        n_experts=16,
        top_k=4,
        d_expert=d_model // 4,
        n_shared=1,
        balance="bias",
        balance_rate=0.001,
        normalise=True,
        scale=2.5,
    )
    dense, routed = Layer(mixers=(mixer,), channel=ffn(d_model)), Layer(mixers=(mixer,), channel=experts)
    return Architecture(
        d_model=d_model,
        input=TokenInput(vocab_size=vocab_size),
        core=(dense, routed, routed, routed),
        mtp=MultiTokenPrediction(),
    )


SWITCH = ZooEntry(
    name="switch",
    title="Switch Transformer: one expert for each token, with a capacity, in every second layer",
    source="arXiv 2101.03961",
    simplified=(
        "A decoder, where the paper has encoder and decoder; capacity is counted over the tokens so far; rotary positions, "
        "SwiGLU experts; no router jitter; 8 experts; 4 layers."
    ),
    builder=_switch,
)
GLAM = ZooEntry(
    name="glam",
    title="GLaM: two experts for each token in every second layer",
    source="arXiv 2112.06905",
    simplified=(
        "8 experts for 64, without a limit to what one takes; rotary positions and SwiGLU for relative positions and "
        "GEGLU; 4 layers."
    ),
    builder=_glam,
)
MIXTRAL = ZooEntry(
    name="mixtral",
    title="Mixtral: two of eight SwiGLU experts in every layer, grouped-query attention",
    source="arXiv 2401.04088",
    simplified="Experts as wide as the model where the original has 3.5 times that; 4 layers for 32.",
    builder=_mixtral,
)
DEEPSEEK_MOE = ZooEntry(
    name="deepseek_moe",
    title="DeepSeekMoE: many small experts, of which each token uses four, and two for all tokens",
    source="arXiv 2401.06066",
    simplified="4 of 16 routed experts for 6 of 64; no device-level balance loss; 4 layers for 28.",
    builder=_deepseek_moe,
)
DEEPSEEK_V3 = ZooEntry(
    name="deepseek_v3",
    title="DeepSeek-V3: latent attention, small experts balanced by a bias, two-token prediction",
    source="arXiv 2412.19437, 2408.15664",
    simplified=(
        "4 of 16 routed experts for 8 of 256, without groups of experts and the sequence-wise balance loss; one dense layer "
        "for three; 4 layers for 61."
    ),
    builder=_deepseek_v3,
)
