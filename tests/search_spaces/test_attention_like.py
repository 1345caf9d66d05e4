"""MLA, segment memory, encoder mixers and memory slots: exact costs against the published formulas, limits and labels."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from search_spaces.architecture import Architecture, Layer
from search_spaces.primitives import Cost, CostContext
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.fnet import FNet
from search_spaces.primitives.linformer import Linformer
from search_spaces.primitives.memory_slots import MemorySlots
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.segment_attention import SegmentAttention
from tests.search_spaces.examples import D_MODEL, architecture_of

CONTEXT = CostContext(context_length=100, bytes_per_element=2)
MLA_SIZES: dict[str, Any] = {"n_heads": 4, "kv_rank": 16, "nope_dim": 8, "rope_dim": 6, "value_dim": 10}


def test_mla_costs_the_published_formulas():
    d, (h, rk, dn, dr, dv), rq = 64, MLA_SIZES.values(), 12
    cost = MLA(**MLA_SIZES, q_rank=rq).cost(d, CONTEXT)
    assert cost.params == d * rq + rq + rq * h * (dn + dr) + d * (rk + dr) + rk + rk * h * (dn + dv) + h * dv * d
    assert cost.state_bytes == (rk + dr) * 100 * 2
    assert cost.flops_per_token == 2 * (cost.params - rq - rk) + h * 101 * (2 * rk + dr)
    plain = MLA(**MLA_SIZES).cost(d, CONTEXT)
    assert plain.params == cost.params - d * rq - rq - rq * h * (dn + dr) + d * h * (dn + dr)


@pytest.mark.parametrize(("kv_bits", "state"), [(16, 4400), (8, 2200), (4, 1100), (2, 550)])
def test_mla_cache_shrinks_with_its_bits(kv_bits, state):
    assert MLA(**MLA_SIZES, kv_bits=kv_bits).cost(64, CONTEXT).state_bytes == state


def test_mla_cache_is_rounded_up_to_bytes():
    assert (
        MLA(**MLA_SIZES | {"rope_dim": 0, "kv_rank": 3}, rope=False, kv_bits=2)
        .cost(64, CostContext(context_length=1))
        .state_bytes
        == 1
    )  # 6 bits


@pytest.mark.parametrize(("segment", "memory"), [(16, 16), (7, 30), (9, 4), (8, 0), (100, 50), (300, 10), (1, 3), (5, 1000)])
@pytest.mark.parametrize("length", [1, 50, 100])
def test_segment_attention_counts_what_every_token_sees(segment, memory, length):
    d, h, dh = 64, 4, 8
    config = SegmentAttention(n_heads=h, head_dim=dh, segment=segment, memory=memory)
    cost = config.cost(d, CostContext(context_length=length, bytes_per_element=2))
    assert cost.params == 5 * d * h * dh + 2 * h * dh
    starts = [t // segment * segment for t in range(length + 1)]
    seen = sum(t + 1 - max(0, starts[t] - memory) for t in range(length))
    assert cost.flops_per_token == math.ceil(2 * 5 * d * h * dh + (4 * h * dh + 2 * h * d) * seen / length)
    assert cost.state_bytes == 2 * h * dh * (length - max(0, starts[length] - memory)) * 2


def test_encoder_mixers_cost_the_published_formulas():
    d, (h, hk, dh) = 64, (8, 2, 8)
    full = BidirectionalAttention(n_heads=h, n_kv_heads=hk, head_dim=dh).cost(d, CONTEXT)
    assert full.params == d * (h + 2 * hk) * dh + h * dh * d
    assert full.flops_per_token == 2 * full.params + 4 * h * dh * 100
    linear = Linformer(n_heads=h, head_dim=dh, rank=12, max_length=200).cost(d, CONTEXT)
    assert linear.params == 4 * d * h * dh + 2 * 12 * 200
    assert linear.flops_per_token == 2 * 4 * d * h * dh + 8 * h * dh * 12
    assert FNet().cost(d, CONTEXT) == Cost()
    assert full.state_bytes == linear.state_bytes == 0


@pytest.mark.parametrize("allocation", [False, True])
def test_memory_slots_cost_their_interface_and_their_memory(allocation):
    d, m, w, reads = 64, 16, 24, 3
    cost = MemorySlots(n_slots=m, slot_width=w, n_read=reads, allocation=allocation).cost(d, CONTEXT)
    scalars = 1 + reads + (2 + reads if allocation else 0)
    matrices = d * (3 * w + reads * w) + d * scalars + reads * w * d
    assert cost.params == matrices + scalars + m * w
    assert cost.flops_per_token == 2 * matrices + 2 * m * w + 4 * m * w * reads
    assert cost.state_bytes == 2 * (m * w + (m if allocation else 0))


def test_architecture_names_its_encoder_mixers():
    causal, encoder = Layer(mixers=(MLA(**MLA_SIZES),)), Layer(mixers=(FNet(),))
    assert Architecture(d_model=D_MODEL, core=(causal,)).encoder_mixers == ()
    mixed = Architecture(d_model=D_MODEL, core=(causal, encoder))
    assert mixed.encoder_mixers == ("core[1].mixers[0] (fnet)",)
    assert not mixed.causal


@pytest.mark.parametrize(
    ("primitive", "field"),
    [
        (MLA(**MLA_SIZES | {"rope_dim": 3}), "rope_dim"),
        (MLA(**MLA_SIZES | {"rope_dim": 0}), "rope_dim"),
        (BidirectionalAttention(n_heads=4, n_kv_heads=3, head_dim=8), "n_kv_heads"),
        (BidirectionalAttention(n_heads=4, n_kv_heads=4, head_dim=7), "head_dim"),
        (Linformer(n_heads=4, head_dim=8, rank=9, max_length=8), "rank"),
    ],
)
def test_impossible_field_is_named(primitive, field):
    problems = list(primitive.problems(D_MODEL))
    assert [problem.field for problem in problems] == [field]
    assert len(problems[0].reason) > 10
    with pytest.raises(ValidationError, match=field):
        architecture_of(primitive)


@pytest.mark.parametrize(
    ("label", "primitive"),
    [
        ("mla4r16", MLA(**MLA_SIZES)),
        ("mla4r16·nope·kv4", MLA(**MLA_SIZES, rope=False, kv_bits=4)),
        ("biattn4/2·nope", BidirectionalAttention(n_heads=4, n_kv_heads=2, head_dim=7, rope=False)),
        ("linformer4k6", Linformer(n_heads=4, head_dim=8, rank=6, max_length=70)),
        ("fnet", FNet()),
        ("fnet·ortho", FNet(orthonormal=True)),
        ("slots6x8", MemorySlots(n_slots=6, slot_width=8)),
        ("slots6x8r2·alloc", MemorySlots(n_slots=6, slot_width=8, n_read=2, allocation=True)),
        ("txl4·s32+64", SegmentAttention(n_heads=4, head_dim=8, segment=32, memory=64)),
    ],
)
def test_label_names_the_sizes(label, primitive):
    assert primitive.label() == label
