"""Attention: the fused and the banded form against the definition, and the definition against a loop over tokens."""

import math

import pytest
import torch

from kernels.attention import TILE, Softmax, attention
from kernels.dispatch import force
from kernels.visibility import BigBird, Fixed, Strided, Window
from tests.kernels.accuracy import assert_equals_definition


def make_inputs(length, heads, kv_heads):
    generator = torch.Generator().manual_seed(length)
    shapes = [(2, length, heads, 8), *2 * [(2, length, kv_heads, 8)]]
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("window", [None, 1, 5, 16, 63, 1000])
@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (3, 1)])
@pytest.mark.parametrize("length", [1, 7, 64, 100])
def test_attention_equals_definition(length, heads, kv_heads, window):
    assert_equals_definition(lambda q, k, v: [attention(q, k, v, Window(window))], make_inputs(length, heads, kv_heads))


@pytest.mark.parametrize("visibility", [Window(), Window(5), Window(4, n_global=3), Strided(4), Fixed(6, 2), BigBird(4, 1, 1)])
@pytest.mark.parametrize("soft_cap", [None, 2.0])
@pytest.mark.parametrize("length", [1, 7, 40, TILE + 9])
def test_attention_with_sink_cap_and_pattern_equals_definition(length, soft_cap, visibility):
    q, k, v = make_inputs(length, 4, 2)
    sink = torch.tensor([0.5, -1.0, 2.0, 0.0])
    assert_equals_definition(lambda q, k, v, s: [attention(q, k, v, visibility, Softmax(soft_cap, s))], [q, k, v, sink])
    assert_equals_definition(lambda q, k, v: [attention(q, k, v, visibility, Softmax(soft_cap))], [q, k, v])


def test_capped_attention_takes_a_window_wider_than_some_queries_at_a_time():
    softmax = Softmax(2.0)
    for window in (TILE, TILE + 1, 2 * TILE + 5):
        inputs = make_inputs(3 * TILE + 1, 2, 1)
        assert_equals_definition(lambda q, k, v, size=window: [attention(q, k, v, Window(size), softmax)], inputs)


@pytest.mark.parametrize("window", [None, 4])
def test_attention_reference_equals_a_loop(window):
    q, k, v = make_inputs(9, 4, 2)
    with force("reference"):
        found = attention(q, k, v, Window(window))
    for t in range(9):
        for head in range(4):
            seen = slice(max(0, t + 1 - (window or 9)), t + 1)
            weights = (k[0, seen, head // 2] @ q[0, t, head] / 8**0.5).softmax(0)
            assert torch.allclose(found[0, t, head], weights @ v[0, seen, head // 2], atol=1e-6)


@pytest.mark.parametrize("window", [None, 5])
def test_attention_takes_queries_of_the_last_tokens(window):
    q, k, v = make_inputs(20, 4, 2)
    whole = attention(q, k, v, Window(window))
    assert torch.allclose(attention(q[:, -3:], k, v, Window(window)), whole[:, -3:], atol=1e-6)


def test_sink_takes_its_share_of_the_softmax():
    q, k, v = make_inputs(6, 2, 2)
    with_sink = attention(q, k, v, softmax=Softmax(sink_H=torch.tensor([-1000.0, 1.5])))
    plain = attention(q, k, v)
    assert torch.allclose(with_sink[:, :, 0], plain[:, :, 0], atol=1e-6)
    # the first token sees itself: softmax of (q.k / sqrt(8), 1.5)
    logit = (q[0, 0, 1] @ k[0, 0, 1] / 8**0.5).item()
    assert torch.allclose(with_sink[0, 0, 1], v[0, 0, 1] / (1 + math.exp(1.5 - logit)), atol=1e-6)


def test_soft_cap_bounds_the_logits():
    q, k, v = make_inputs(2, 1, 1)
    found = attention(100 * q, k, v, softmax=Softmax(soft_cap=3.0))
    logits = 3 * torch.tanh(100 * (k[0, :, 0] @ q[0, 1, 0]) / 8**0.5 / 3)
    assert torch.allclose(found[0, 1, 0], logits.softmax(0) @ v[0, :, 0], atol=1e-6)


@pytest.mark.parametrize(("q", "k"), [((1, 5, 4, 8), (1, 5, 3, 8)), ((1, 5, 4, 8), (1, 4, 2, 8)), ((1, 5, 4, 8), (1, 5, 2, 6))])
def test_attention_refuses_what_does_not_fit(q, k):
    with pytest.raises(ValueError, match="must be"):
        attention(torch.zeros(q), torch.zeros(k), torch.zeros(k))
