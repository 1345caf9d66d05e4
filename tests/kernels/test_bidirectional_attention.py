"""Attention without a mask: torch's fused form against the definition, and the definition against a loop over heads."""

import pytest
import torch

from kernels.bidirectional_attention import bidirectional_attention
from kernels.dispatch import force
from tests.kernels.accuracy import assert_equals_definition


def make_inputs(n_queries, n_keys, heads, kv_heads):
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, n_queries, heads, 8), *2 * [(2, n_keys, kv_heads, 8)]]
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (3, 1)])
@pytest.mark.parametrize(("n_queries", "n_keys"), [(1, 1), (9, 9), (70, 70), (20, 6)])
def test_fused_form_equals_definition(n_queries, n_keys, heads, kv_heads):
    inputs = make_inputs(n_queries, n_keys, heads, kv_heads)
    assert_equals_definition(lambda q, k, v: [bidirectional_attention(q, k, v)], inputs)


def test_definition_equals_a_loop_over_heads():
    q, k, v = make_inputs(9, 7, 4, 2)
    with force("reference"):
        found = bidirectional_attention(q, k, v)
    for head in range(4):
        weights = (q[:, :, head] @ k[:, :, head // 2].mT / 8**0.5).softmax(-1)
        assert torch.allclose(found[:, :, head], weights @ v[:, :, head // 2], atol=1e-6)


@pytest.mark.parametrize("k", [(1, 5, 3, 8), (1, 5, 2, 6), (2, 5, 2, 8)])
def test_shapes_that_do_not_fit_are_refused(k):
    with pytest.raises(ValueError, match="must be"):
        bidirectional_attention(torch.zeros(1, 5, 4, 8), torch.zeros(k), torch.zeros(k))
