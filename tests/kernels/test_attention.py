"""Attention: the fused and the banded form against the definition, and the definition against a loop over tokens."""

import pytest
import torch

from kernels.attention import attention
from kernels.dispatch import force
from tests.kernels.accuracy import assert_equals_definition


def make_inputs(length, heads, kv_heads):
    generator = torch.Generator().manual_seed(length)
    shapes = [(2, length, heads, 8), *2 * [(2, length, kv_heads, 8)]]
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("window", [None, 1, 5, 16, 63, 1000])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (3, 1)])
@pytest.mark.parametrize("length", [1, 7, 64, 100])
def test_attention_equals_definition(length, heads, kv_heads, window):
    assert_equals_definition(lambda q, k, v: [attention(q, k, v, window)], make_inputs(length, heads, kv_heads))


@pytest.mark.parametrize("window", [None, 4])
def test_attention_reference_equals_a_loop(window):
    q, k, v = make_inputs(9, 4, 2)
    with force("reference"):
        found = attention(q, k, v, window)
    for t in range(9):
        for head in range(4):
            seen = slice(max(0, t + 1 - (window or 9)), t + 1)
            weights = (k[0, seen, head // 2] @ q[0, t, head] / 8**0.5).softmax(0)
            assert torch.allclose(found[0, t, head], weights @ v[0, seen, head // 2], atol=1e-6)


@pytest.mark.parametrize("window", [None, 5])
def test_attention_takes_queries_of_the_last_tokens(window):
    q, k, v = make_inputs(20, 4, 2)
    assert torch.allclose(attention(q[:, -3:], k, v, window), attention(q, k, v, window)[:, -3:], atol=1e-6)


@pytest.mark.parametrize(
    ("q", "k", "window"),
    [
        ((1, 5, 4, 8), (1, 5, 3, 8), None),
        ((1, 5, 4, 8), (1, 4, 2, 8), None),
        ((1, 5, 4, 8), (1, 5, 2, 6), None),
        ((1, 5, 4, 8), (1, 5, 2, 8), 0),
    ],
)
def test_attention_refuses_what_does_not_fit(q, k, window):
    with pytest.raises(ValueError, match="must be"):
        attention(torch.zeros(q), torch.zeros(k), torch.zeros(k), window)
