from typing import Any

import pytest

from search_spaces.options.channels import ffn_width
from search_spaces.options.layout import attention_layers
from search_spaces.primitives.moe import MoE
from search_spaces.space import Space


@pytest.mark.parametrize(
    ("placement", "depth", "ratio", "expected"),
    [
        ("interleaved", 8, 0.125, {4}),
        ("interleaved", 8, 0.25, {2, 6}),
        ("interleaved", 6, 0.5, {1, 3, 5}),
        ("interleaved", 5, 0.4, {1, 3}),
        ("bottom", 5, 0.4, {0, 1}),
        ("middle", 5, 0.4, {1, 2}),
        ("top", 5, 0.2, {4}),
        ("top", 4, 0.125, {3}),
        ("top", 4, 0.1, set()),
        ("middle", 3, 1.0, {0, 1, 2}),
    ],
)
def test_attention_layers_follow_ratio_and_placement(placement, depth, ratio, expected):
    assert attention_layers({"placement": placement, "depth": depth, "attention_ratio": ratio}) == expected


@pytest.mark.parametrize("depth", range(1, 40))
def test_attention_layers_interleaved_are_as_many_as_asked(depth):
    for count in range(depth + 1):
        found = attention_layers({"placement": "interleaved", "depth": depth, "attention_ratio": count / depth})
        assert len(found) == count
        assert all(0 <= position < depth for position in found)


@pytest.mark.parametrize(("d_model", "ratio", "width"), [(64, 2.0, 128), (64, 2.7, 176), (20, 1.0, 24), (4, 0.125, 8)])
def test_ffn_width_is_a_multiple_of_8(d_model, ratio, width):
    assert ffn_width(d_model, ratio) == width


def channels(genes: dict[str, list[Any]]) -> list[Any]:
    space = Space.from_data({"name": "test", "genes": {"channel": ["moe"], **genes}})
    return [layer.channel for layer in space.build({}).layers()]


def test_moe_splitting_and_sharing_keep_all_experts_and_the_active_width():
    sizes = {"n_experts": [8], "top_k": [2], "granularity": [4], "n_shared": [3], "depth": [1]}
    (coarse,), (fine,), (shared,) = (channels({"channel": [word]} | sizes) for word in ("moe", "moe_fine", "moe_shared"))
    assert coarse == MoE(n_experts=8, top_k=2, d_expert=64)
    assert fine == MoE(n_experts=32, top_k=8, d_expert=16)
    assert shared == MoE(n_experts=29, top_k=5, d_expert=16, n_shared=3)


def test_moe_period_closes_with_moe_and_is_dense_between():
    assert [part.kind for part in channels({"moe_period": [2], "depth": [5]})] == [
        "swiglu", "moe", "swiglu", "moe", "swiglu",
    ]  # fmt: skip


def test_loops_split_the_layers_into_prelude_core_and_coda():
    genes = {"depth": [5], "n_loops": [3], "n_prelude": [1], "n_coda": [2], "injection": ["add"]}
    architecture = Space.from_data({"name": "test", "genes": genes}).build({})
    assert [len(part) for part in (architecture.prelude, architecture.core, architecture.coda)] == [1, 2, 2]
    assert (architecture.n_loops, architecture.injection) == (3, "add")
