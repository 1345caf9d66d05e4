"""One config of every preset and option of every primitive, for the suites that run over the whole catalogue.

A new primitive adds its lines here; no suite needs new code for it.
"""

from typing import Any

from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Layer, Loop, Numerics, TokenInput
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.primitives import Primitive
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.fnet import FNet
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.linformer import Linformer
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.memory_slots import MemorySlots
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import (
    Recurrence,
    deltanet,
    gated_deltanet,
    gla,
    hgrn2,
    kda,
    lightning,
    linear_attention,
    mamba2,
    mlstm,
    performer,
    retnet,
)
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.primitives.s4d import S4D
from search_spaces.primitives.segment_attention import SegmentAttention
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
    "window_global": Attention(n_heads=4, n_kv_heads=2, head_dim=8, window=4, n_global=3, sink=True),
    "strided": Attention(n_heads=4, n_kv_heads=2, head_dim=8, pattern="strided", stride=4),
    "fixed": Attention(n_heads=4, n_kv_heads=2, head_dim=8, pattern="fixed", stride=5, n_summary=2, soft_cap=20.0),
    "bigbird": Attention(n_heads=4, n_kv_heads=2, head_dim=8, pattern="bigbird", block_size=2, n_global=1, n_random=2),
    "sparse_k": Attention(n_heads=4, n_kv_heads=2, head_dim=8, window=3, top_k=4),
    "sparse_k_sink": Attention(n_heads=4, n_kv_heads=4, head_dim=8, window=1, top_k=2, sink=True, soft_cap=5.0),
    "partial_rope_gate": Attention(n_heads=4, n_kv_heads=2, head_dim=8, rotary_fraction=0.25, output_gate=True, qk_norm=True),
    "sink_cap_window": Attention(n_heads=4, n_kv_heads=2, head_dim=8, window=6, sink=True, soft_cap=30.0),
    "attention_sub_norm": Attention(n_heads=4, n_kv_heads=2, head_dim=8, sub_norm=True, output_gate=True, rotary_fraction=0.5),
    "mla": MLA(n_heads=4, kv_rank=12, q_rank=10, nope_dim=8, rope_dim=4, value_dim=6),
    "mla_plain_queries": MLA(n_heads=2, kv_rank=16, nope_dim=6, rope_dim=2, value_dim=8),
    "mla_nope": MLA(n_heads=3, kv_rank=7, nope_dim=5, rope_dim=3, value_dim=4, rope=False),
    "segment_memory": SegmentAttention(n_heads=4, head_dim=8, segment=6, memory=9),
    "segment_memory_short": SegmentAttention(n_heads=2, head_dim=5, segment=4, memory=3),
    "segment_memory_none": SegmentAttention(n_heads=2, head_dim=8, segment=5, memory=0),
    "segment_memory_long": SegmentAttention(n_heads=2, head_dim=8, segment=11, memory=40),
    "bidirectional": BidirectionalAttention(n_heads=4, n_kv_heads=2, head_dim=8),
    "bidirectional_qk_norm_nope": BidirectionalAttention(n_heads=2, n_kv_heads=2, head_dim=7, rope=False, qk_norm=True),
    "linformer": Linformer(n_heads=4, head_dim=8, rank=6, max_length=70),
    "fnet": FNet(),
    "fnet_orthonormal": FNet(orthonormal=True),
    "memory_slots": MemorySlots(n_slots=6, slot_width=8),
    "memory_slots_reads": MemorySlots(n_slots=5, slot_width=7, n_read=3),
    "memory_slots_allocation": MemorySlots(n_slots=6, slot_width=8, n_read=2, allocation=True),
    "mla_no_shared_key": MLA(n_heads=2, kv_rank=8, nope_dim=8, rope_dim=0, value_dim=8, rope=False),
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
    "linear_normalised": linear_attention(D_MODEL, n_heads=4, key_dim=8),
    "performer": performer(D_MODEL, n_heads=4, key_dim=8, n_features=12),
    "performer_shared_keys": Recurrence(
        n_heads=4,
        n_groups=2,
        key_dim=6,
        value_dim=5,
        decay="fixed",
        feature_map="favor",
        n_features=4,
        normaliser="sum",
        rope=True,
    ),
    "lightning": lightning(D_MODEL, n_heads=4, decay_scale=0.5),
    "hgrn2": hgrn2(D_MODEL, n_heads=4, key_dim=8, decay_floor=0.3),
    "deltanet_negative": deltanet(D_MODEL, n_heads=4, key_dim=8, beta_scale=2),
    "kda": kda(D_MODEL, n_heads=4, key_dim=6, rank=3),
    "mlstm": mlstm(D_MODEL, n_heads=4, key_dim=6, expand=2),
    "mlstm_shared_keys": Recurrence(
        n_heads=4,
        n_groups=2,
        key_dim=6,
        value_dim=5,
        decay="learned",
        write="exp",
        normaliser="max",
        conv_width=3,
        token_shift=True,
    ),
    "learned_keys": Recurrence(
        n_heads=4,
        n_groups=2,
        key_dim=6,
        value_dim=8,
        decay="learned",
        decay_dim="key",
        token_shift=True,
        feature_map="relu",
        normaliser="sum",
        gate_rank=3,
        gate_activation="sigmoid",
        out_norm="layer",
    ),
    "sigmoid_delta": Recurrence(
        n_heads=4, n_groups=4, key_dim=8, value_dim=4, decay="sigmoid", write="delta", qk_norm=True, out_norm="width"
    ),
    "short_conv": ShortConv(),
    "short_conv_7": ShortConv(width=7),
    "mamba": Mamba(state_size=4),
    "mamba_norm": Mamba(expand=1, state_size=6, conv_width=3, dt_rank=5, bcdt_norm=True),
    "rwkv4": RWKV4(),
    "rwkv4_width": RWKV4(width=20),
    "rwkv5": RWKV6(n_heads=4, head_dim=8),
    "rwkv5_shift": RWKV6(n_heads=2, head_dim=5, shift_rank=3),
    "rwkv6": RWKV6(n_heads=4, head_dim=8, decay_rank=5, shift_rank=3),
    "rwkv6_plain_shift": RWKV6(n_heads=3, head_dim=2, decay_rank=4),
    "rwkv7": RWKV7(n_heads=4, head_dim=8, decay_rank=5, replace_rank=4, gate_rank=6),
    "rwkv7_narrow": RWKV7(n_heads=1, head_dim=6, decay_rank=1, replace_rank=1, gate_rank=1),
    "rg_lru": RGLRU(),
    "rg_lru_blocks": RGLRU(width=40, n_blocks=4, conv_width=2),
    "s4d": S4D(state_size=8),
    "s4d_inverse": S4D(state_size=2, frequencies="inverse", min_step=0.01, max_step=0.01),
    "h3": H3(state_size=8),
    "h3_heads": H3(state_size=6, shift_width=3, head_dim=4),
    "hyena": Hyena(filter_order=8),
    "hyena_3": Hyena(order=3, filter_order=6, emb_dim=7, max_length=10, conv_width=2),
    "swiglu": SwiGLU(d_ff=48),
    "geglu_top_k": SwiGLU(d_ff=48, activation="gelu", n_active=12),
    "relu2_glu_sub_norm": SwiGLU(d_ff=48, activation="relu2", sub_norm=True),
    "relu2": ReLU2(d_ff=40),
    "relu2_top_k": ReLU2(d_ff=40, n_active=10),
    "relu2_sub_norm": ReLU2(d_ff=40, sub_norm=True),
    "rwkv_channel": RWKVChannel(d_ff=40),
    "moe": MoE(n_experts=4, top_k=2, d_expert=16),
    "moe_shared": MoE(n_experts=8, top_k=1, d_expert=9, n_shared=2),
    "moe_bias": MoE(n_experts=5, top_k=5, d_expert=8, balance="bias"),
    "switch": MoE(n_experts=4, top_k=1, d_expert=16, normalise=False, capacity=1.0),
    "moe_capacity_zero": MoE(n_experts=4, top_k=2, d_expert=8, n_zero=2, capacity=1.0),
    "moe_zero": MoE(n_experts=4, top_k=2, d_expert=8, n_zero=2, scale=1.5, n_shared=1, shared_gate=True),
    "moe_deepseek": MoE(n_experts=6, top_k=3, d_expert=8, n_shared=1, balance="bias", normalise=True, scale=2.5),
    "moe_bias_fine": MoE(n_experts=16, top_k=4, d_expert=6, n_shared=1, balance="bias", balance_rate=0.001),
}


def architecture_of(primitive: Primitive) -> Architecture:
    """A mixer alone; a channel part behind a convolution, so that tokens depend on those before."""
    layer = {"mixers": (primitive,)} if primitive.role == "mixer" else {"mixers": (ShortConv(),), "channel": primitive}
    return Architecture(d_model=D_MODEL, input=TokenInput(vocab_size=VOCAB_SIZE), core=(Layer.model_validate(layer),))


def _looped(n_loops: int = 3, **fields: Any) -> Architecture:
    """Attention and a recurrence, looped between two convolutions."""
    core = (Layer(mixers=(EXAMPLES["gqa"],), channel=EXAMPLES["swiglu"]), Layer(mixers=(EXAMPLES["gated_deltanet"],)))
    conv = Layer(mixers=(ShortConv(),))
    tokens = TokenInput(vocab_size=VOCAB_SIZE)
    ends = {"prelude": (conv,), "coda": (conv,)}
    return Architecture(d_model=D_MODEL, input=tokens, core=core, n_loops=n_loops, **(ends | fields))


def _attention(**fields: Any) -> Architecture:
    """One layer of attention and a dense channel part."""
    core = (Layer(mixers=(EXAMPLES["gqa"],), channel=EXAMPLES["swiglu"]),)
    return Architecture.model_validate({"d_model": D_MODEL, "input": TokenInput(vocab_size=VOCAB_SIZE), "core": core} | fields)


def _low_bit(**fields: Any) -> Architecture:
    """Dense and routed matrix products in some number format."""
    core = (
        Layer(mixers=(EXAMPLES["gqa"],), channel=EXAMPLES["moe_shared"]),
        Layer(mixers=(EXAMPLES["gated_deltanet"],), channel=EXAMPLES["relu2_top_k"]),
    )
    return _attention(core=core, numerics=Numerics(**fields))


def _sharing(*mixers: dict[str, Any], **fields: Any) -> Architecture:
    """Layers of attention that read each other's keys, or those of their own first loop."""
    base = Attention(n_heads=4, n_kv_heads=2, head_dim=8)
    return _attention(core=tuple(Layer(mixers=(base.model_copy(update=changes),)) for changes in mixers), **fields)


def _bytes(patch_size: int, **fields: Any) -> BytePatchInput:
    """Bytes whose patches are mixed by attention, a convolution and a routed channel part."""
    within = (
        Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=6),), channel=MoE(n_experts=3, top_k=1, d_expert=8)),
        Layer(mixers=(ShortConv(),)),
    )
    return BytePatchInput(vocab_size=VOCAB_SIZE, patch_size=patch_size, d_byte=12, within=within, **fields)


def _layers(*layers: dict[str, Any], **fields: Any) -> Architecture:
    """Layers of attention and a dense channel part, changed."""
    base = {"mixers": (EXAMPLES["gqa"],), "channel": EXAMPLES["swiglu"]}
    return _attention(core=tuple(Layer.model_validate(base | layer) for layer in layers), **fields)


def _parallel(fusion: str, **fields: Any) -> Architecture:
    """Attention beside a recurrence; with `widths` as wide as the recurrence's values."""
    mixers = (EXAMPLES["gqa"], EXAMPLES["gated_deltanet"])
    return _attention(core=(Layer.model_validate({"mixers": mixers, "fusion": fusion} | fields),))


# whole architectures: one for every way in which layers are put together
COMPOSITIONS: dict[str, Architecture] = {
    "loops": _looped(),
    "loops_add": _looped(injection="add"),
    "loops_concat": _looped(injection="concat"),
    "loops_norm": _looped(loop=Loop(norm=True), norm="layer"),
    "loops_step_embedding": _looped(loop=Loop(step_embedding=True)),
    "loops_shift": _looped(injection="add", loop=Loop(shift=True)),
    "loops_shift_concat": _looped(injection="concat", loop=Loop(shift=True, norm=True, step_embedding=True)),
    "loops_halting": _looped(loop=Loop(depth="halting")),
    "loops_halting_concat": _looped(injection="concat", loop=Loop(depth="halting", ponder_weight=0.5, eval_loops=4)),
    "loops_eval_more": _looped(2, injection="concat", loop=Loop(eval_loops=4, step_embedding=True)),
    "loops_eval_fewer": _looped(injection="concat", loop=Loop(eval_loops=1, step_embedding=True, norm=True)),
    "loops_eval_shift": _looped(2, injection="add", loop=Loop(eval_loops=3, shift=True)),
    "rosa": _attention(input=TokenInput(vocab_size=7, rosa=True)),
    "rosa_untied": _attention(input=TokenInput(vocab_size=7, rosa=True, tie_embeddings=False), n_meta=1),
    "byte_patch": _attention(input=_bytes(4)),
    "byte_patch_untied": _attention(input=_bytes(3, tie_embeddings=False), norm="layer"),
    "byte_patch_longer_than_some_texts": _attention(input=_bytes(32)),
    "continuous": _attention(input=ContinuousInput(n_channels=3)),
    "int8_weights": _low_bit(weights="int8"),
    "int8": _low_bit(weights="int8", activations="int8"),
    "int4": _low_bit(weights="int4", activations="int4"),
    "bitnet": _low_bit(weights="ternary", activations="int8"),
    "fp8_e4m3": _low_bit(weights="fp8_e4m3", activations="fp8_e4m3"),
    "fp8_e5m2": _low_bit(weights="fp8_e5m2", activations="fp8_e5m2"),
    "sparse_2_4": _low_bit(sparsity="2:4"),
    "sparse_4_8_ternary": _low_bit(sparsity="4:8", weights="ternary", activations="int8"),
    "norm_layer": _attention(norm="layer"),
    "norm_dyt": _attention(norm="dyt"),
    "norm_l1": _attention(norm="l1"),
    "mtp": _attention(mtp=MultiTokenPrediction()),
    "mtp_2": _low_bit(weights="int8").model_copy(update={"mtp": MultiTokenPrediction(n_tokens=2, weight=0.1), "norm": "layer"}),
    "mtp_untied": _attention(input=TokenInput(vocab_size=9, tie_embeddings=False), mtp=MultiTokenPrediction(n_tokens=2)),
    "next_latent": _attention(next_latent=NextLatent(d_hidden=24)),
    "all_objectives": _looped(2, mtp=MultiTokenPrediction(), next_latent=NextLatent(d_hidden=8), n_meta=2),
    "shared_keys": _sharing({"qk_norm": True}, {"share_kv": True, "qk_norm": True}, {}, {"share_kv": True}),
    "shared_keys_windows": _sharing(
        {"window": 11, "n_global": 2}, {}, {"share_kv": True, "window": 11, "n_global": 2, "n_heads": 2}, {"share_kv": True}
    ),
    "shared_keys_loops": _sharing({}, {"share_kv": True}, n_loops=2, injection="add"),
    "first_loop_keys": _sharing({"loop_kv": "first"}, n_loops=3),
    "first_loop_keys_shift": _sharing(
        {"loop_kv": "first", "loop_window": 4, "sink": True}, n_loops=2, injection="add", loop=Loop(shift=True), n_meta=2
    ),
    "first_loop_window_keys": _sharing(
        {"loop_kv": "first", "loop_window": 1, "window": 13, "qk_norm": True, "output_gate": True}, n_loops=2
    ),
    "parallel_add": _parallel("add"),
    "parallel_norm_mean": _layers({"mixers": (EXAMPLES["gqa"], ShortConv()), "fusion": "norm_mean"}, norm="dyt"),
    "parallel_gate": _parallel("gate"),
    "parallel_soft": _parallel("route_soft", channel=EXAMPLES["moe"]),
    "parallel_top1": _parallel("route_top1", mixers=2 * (EXAMPLES["gated_deltanet"],)),
    "split_add": _parallel("add", widths=(12, 20)),
    "split_gate": _parallel("gate", widths=(20, 12), channel=EXAMPLES["swiglu"]),
    "depths": _layers({"capacity": 0.5}, {}, {"capacity": 0.125, "channel": EXAMPLES["moe"]}),
    "depths_recurrent": _layers({"capacity": 0.7, "mixers": (EXAMPLES["mamba2"],), "channel": None}, norm="layer"),
    "depths_in_loops": _layers({"capacity": 0.4}, n_loops=2, injection="add"),
    "depths_top1": _layers({"capacity": 0.6, "mixers": 2 * (EXAMPLES["gated_deltanet"],), "fusion": "route_top1"}, n_meta=2),
    "streams": _layers({}, {"mixers": ()}, {"channel": None}, n_streams=4),
    "streams_layer_norm": _layers({}, n_streams=2, norm="dyt"),
    "streams_loops": _layers(
        {},
        n_loops=2,
        n_streams=3,
        injection="concat",
        loop=Loop(norm=True, step_embedding=True),
        prelude=(Layer(mixers=(ShortConv(),)),),
    ),
    "streams_depths": _layers({"capacity": 0.4}, {"capacity": 0.4, "channel": EXAMPLES["moe_shared"]}, n_streams=2, n_meta=1),
    "loops_token_choice": _looped(loop=Loop(depth="token_choice")),
    "loops_token_choice_concat": _looped(
        injection="concat", loop=Loop(depth="token_choice", capacities=(0.75, 0.3), norm=True, step_embedding=True)
    ),
    "loops_expert_choice": _looped(loop=Loop(depth="expert_choice")),
    "loops_expert_choice_add": _looped(injection="add", loop=Loop(depth="expert_choice", capacities=(0.5, 0.5))),
    "loops_streams": _looped(injection="concat", n_streams=2, loop=Loop(shift=True, norm=True, step_embedding=True)),
    "loops_streams_halting": _looped(2, n_streams=3, loop=Loop(depth="halting")),
    "loops_streams_expert_choice": _looped(2, injection="concat", n_streams=2, loop=Loop(depth="expert_choice")),
    "loops_streams_token_choice": _looped(2, n_streams=2, n_meta=2, loop=Loop(depth="token_choice")),
    "meta_tokens": _looped(1, n_meta=3),
    "meta_tokens_loops": _looped(2, n_meta=2, injection="add", loop=Loop(shift=True)),
}
