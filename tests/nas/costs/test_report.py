"""The cost report against sums by hand, and what must hold whatever the architecture."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from nas.costs.accelerators import ACCELERATORS, GIGA, TERA
from nas.costs.report import CONTEXTS, CostReport, cost_report
from nas.errors import Invalid
from search_spaces.architecture import Architecture, Layer, Loop, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo import ZOO

CHANNEL = Layer(channel=SwiGLU(d_ff=128))
FFN = 3 * 64 * 128
TABLE = 256 * 64
NORM = 64
H100 = ACCELERATORS["H100"]


def one(core: tuple[Layer, ...] = (CHANNEL,), *, tied: bool = True, **fields: Any) -> Architecture:
    source = TokenInput(vocab_size=256, tie_embeddings=tied)
    return Architecture.model_validate({"d_model": 64, "input": source, "core": core, **fields})


def of(architecture: Architecture, **fields: Any) -> CostReport:
    return cost_report(architecture, accelerators=("H100",), **fields)


def test_one_channel_part_by_hand() -> None:
    report = of(one(), context_length=100, batch=3, training_tokens=10**12, utilisation=0.5)
    params = TABLE + FFN + 2 * NORM
    assert report.params == report.active_params == params
    assert report.weight_bytes == {
        "float32": 4 * params, "bfloat16": 2 * params, "fp8": params,
        "int8": params, "int4": params // 2, "ternary": params // 4,
    }  # fmt: skip
    flops = 2 * (TABLE + FFN)
    assert [(at.context_length, at.flops_per_token, at.state_bytes) for at in report.contexts] == [
        (length, flops, 0) for length in CONTEXTS
    ]
    assert (report.serving.weights, report.serving.state, report.serving.total) == (2 * params, 0, 2 * params)
    training = report.training
    assert (training.weights, training.gradients, training.optimiser) == (2 * params, 2 * params, 12 * params)
    assert training.activations == 3 * 100 * (2 * 64 + 8 * 256)
    assert training.total == 16 * params + training.activations
    assert report.training_flops == 3 * flops * 10**12
    estimate = report.accelerators[0]
    assert (estimate.accelerator, estimate.serving_devices, estimate.training_devices) == ("H100", 1, 1)
    # one reading of the weights gives each of the three sequences a token
    assert estimate.decode_tokens_per_second == pytest.approx(3 * 3350e9 / (2 * params))
    assert estimate.decode_bound == "memory"
    # 300 tokens share a reading; the products take longer
    assert estimate.prefill_tokens_per_second == pytest.approx(989.5e12 / flops)
    assert estimate.training_device_days == pytest.approx(3 * flops * 10**12 / (0.5 * 989.5e12) / 86_400)


def test_state_and_table_that_is_only_looked_up() -> None:
    mixer = Attention(n_heads=4, n_kv_heads=2, head_dim=16)
    report = of(one((Layer(mixers=(mixer,)),), tied=False), context_length=1000, batch=5)
    state = 2 * 2 * 16 * 2 * 1000
    assert report.serving.state == 5 * state
    # the input's table is not read, the head's is
    read = 2 * (report.params - TABLE) + 5 * state
    assert report.accelerators[0].decode_tokens_per_second == pytest.approx(5 * 3350e9 / read)


def test_large_batch_is_bound_by_compute() -> None:
    report = of(one(), batch=10**6)
    estimate = report.accelerators[0]
    assert estimate.decode_bound == "compute"
    assert estimate.decode_tokens_per_second == pytest.approx(989.5e12 / report.contexts[0].flops_per_token)


def test_experts_that_a_token_passes_by_are_held_but_not_read() -> None:
    channel = MoE(n_experts=8, top_k=2, d_expert=64)
    report = of(one((Layer(channel=channel),)))
    assert report.active_params < report.params
    assert report.serving.weights == 2 * report.params
    assert report.accelerators[0].decode_tokens_per_second == pytest.approx(3350e9 / (2 * report.active_params))


def test_loop_reads_its_core_again_and_trains_with_the_loops_of_training() -> None:
    once, looped = of(one()), of(one(n_loops=3))
    more = of(one(n_loops=3, loop=Loop(eval_loops=5)))
    assert once.params == looped.params == more.params
    per_byte = [3350e9 / (report.accelerators[0].decode_tokens_per_second or math.nan) for report in (once, looped, more)]
    core = FFN + NORM
    assert per_byte == pytest.approx([2 * (once.params + times * core) for times in (0, 2, 4)])
    assert more.training_flops == looped.training_flops
    assert more.contexts[0].flops_per_token > looped.contexts[0].flops_per_token


def test_model_larger_than_a_device_takes_several() -> None:
    big = ZOO["transformer"].build(8192, 128_000)
    report = cost_report(big, context_length=4096, batch=64, accelerators=("L4", "H200"))
    small, large = report.accelerators
    assert small.serving_devices == math.ceil(report.serving.total / (24 * GIGA)) > 1
    assert large.serving_devices == 1
    assert small.training_devices == math.ceil(report.training.total / (24 * GIGA))
    assert small.training_device_days / large.training_device_days == pytest.approx(989.5 / 121)


@pytest.mark.parametrize(
    ("d_model", "n_layers", "n_heads", "n_kv_heads", "d_ff", "published_hours"),
    [(4096, 32, 32, 32, 11_008, 184_320), (5120, 40, 40, 40, 13_824, 368_640), (8192, 80, 64, 8, 28_672, 1_720_320)],
    ids=["7B", "13B", "70B"],
)
def test_training_time_is_near_what_llama_2_took(
    d_model: int, n_layers: int, n_heads: int, n_kv_heads: int, d_ff: int, published_hours: int
) -> None:
    """GPU hours of A100-80GB for 2.0T tokens of 4096: arXiv 2307.09288, tables 1 and 2."""
    mixer = Attention(n_heads=n_heads, n_kv_heads=n_kv_heads, head_dim=128)
    layer = Layer(mixers=(mixer,), channel=SwiGLU(d_ff=d_ff))
    source = TokenInput(vocab_size=32_000, tie_embeddings=False)
    model = Architecture(d_model=d_model, input=source, core=(layer,) * n_layers)
    report = cost_report(model, training_tokens=2 * 10**12, accelerators=("A100-80GB",))
    assert 24 * report.accelerators[0].training_device_days == pytest.approx(published_hours, rel=0.15)


def test_encoder_is_not_decoded() -> None:
    report = of(ZOO["fnet"].build())
    assert report.accelerators[0].decode_tokens_per_second is None
    assert report.accelerators[0].decode_bound is None
    assert report.accelerators[0].prefill_tokens_per_second > 0


@pytest.mark.parametrize("name", ZOO)
def test_what_must_hold_for_every_architecture(name: str) -> None:
    architecture = ZOO[name].build()
    report, longer, wider = of(architecture), of(architecture, context_length=8192), of(architecture, batch=4)
    rising = [(at.flops_per_token, at.state_bytes) for at in report.contexts]
    assert rising == sorted(rising)
    assert [at.state_bytes for at in report.contexts] == sorted(at.state_bytes for at in report.contexts)
    assert report.active_params <= report.params
    assert report.serving.total <= wider.serving.total
    assert report.training.total < wider.training.total
    assert report.training_tokens == 20 * report.params
    first, second, third = (each.accelerators[0] for each in (report, longer, wider))
    assert (second.decode_tokens_per_second or 0) <= (first.decode_tokens_per_second or 0) * (1 + 1e-9)
    assert (third.decode_tokens_per_second or 0) >= (first.decode_tokens_per_second or 0) * (1 - 1e-9)


def test_report_is_plain_json() -> None:
    huge = one((CHANNEL,) * 900)
    report = cost_report(huge, training_tokens=10**18)
    data = TypeAdapter(CostReport).dump_python(report, mode="json")
    again = TypeAdapter(CostReport).validate_json(json.dumps(data, allow_nan=False))
    assert again == replace(report)
    assert "not" in data["notice"]
    assert "measured" in data["notice"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contexts": ()}, "1 to 16 different context lengths"),
        ({"contexts": (64, 64)}, "1 to 16 different context lengths"),
        ({"contexts": (0,)}, "a context of 0 tokens"),
        ({"context_length": 10**8}, "a context of 100000000 tokens; give 1 to 10,000,000"),
        ({"batch": 0}, "a batch of 0 sequences"),
        ({"training_tokens": 0}, "0 training tokens"),
        ({"utilisation": 0.0}, "a utilisation of 0"),
        ({"utilisation": float("nan")}, "a utilisation of nan"),
        ({"accelerators": ("H10",)}, "no accelerator 'H10'; there are A100-40GB"),
    ],
)
def test_what_there_is_not_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        cost_report(one(), **fields)


@pytest.mark.parametrize("name", ACCELERATORS)
def test_specification_is_in_plain_units(name: str) -> None:
    device = ACCELERATORS[name]
    assert device.name == name
    assert 100 * TERA <= device.flops_per_second <= 5000 * TERA
    assert 16 * GIGA <= device.memory_bytes <= 300 * GIGA
    assert 300 * GIGA <= device.bytes_per_second <= 10_000 * GIGA
    # bytes of bandwidth for a FLOP: a unit that is off by a thousand leaves this range
    assert 100 <= device.flops_per_second / device.bytes_per_second <= 700
    assert len(device.source) > 10
