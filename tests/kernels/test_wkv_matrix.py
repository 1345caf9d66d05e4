"""The wkv of RWKV-5 and RWKV-6: its chunked form against its float64 definition, and that against the published loop."""

import pytest
import torch

from kernels.dispatch import force
from kernels.wkv_matrix import wkv_matrix
from tests.kernels.accuracy import assert_equals_definition

H, K, V = 3, 4, 5


def make_inputs(length, rate=1.0):
    """q, k, v, log decay, bonus and state for 2 sequences."""
    generator = torch.Generator().manual_seed(length)
    q, k, g = (torch.randn(2, length, H, K, generator=generator) for _ in range(3))
    v, bonus = torch.randn(2, length, H, V, generator=generator), torch.randn(H, K, generator=generator)
    return [q, k, v, -rate * g.exp(), bonus, torch.randn(2, H, K, V, generator=generator)]


def published_loop(state, u, q, k, v, w):
    """The recurrence of flash-linear-attention's naive RWKV-6 operator, written anew: [B, H, T, ..] and no scale."""
    out = torch.zeros_like(v)
    for i in range(q.shape[2]):
        kv = k[:, :, i, :, None] * v[:, :, i, None, :]
        out[:, :, i] = ((state + u[None, ..., None] * kv) * q[:, :, i, :, None]).sum(-2)
        state = state * w[:, :, i, :, None].exp() + kv
    return out, state


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 80])
def test_wkv_matrix_chunked_equals_definition(length):
    assert_equals_definition(wkv_matrix, make_inputs(length))


@pytest.mark.parametrize("rate", [0.0, 1e-4, 50.0])
def test_wkv_matrix_keeps_extreme_decays_exact(rate):
    assert_equals_definition(wkv_matrix, make_inputs(50, rate))


@pytest.mark.parametrize("form", ["reference", "chunked"])
def test_wkv_matrix_equals_the_published_loop(form):
    q, k, v, g, u, state = (x.double() for x in make_inputs(40))
    expected, last = published_loop(state, u, *(x.transpose(1, 2) for x in (q, k, v, g)))
    with force(form):
        out, found = wkv_matrix(q, k, v, g, u, state)
    assert torch.allclose(out, expected.transpose(1, 2), rtol=1e-10, atol=1e-10)
    assert torch.allclose(found, last, rtol=1e-10, atol=1e-10)


def test_wkv_matrix_refuses_shapes_that_do_not_fit():
    q, k, v, g, u, state = make_inputs(4)
    with pytest.raises(ValueError, match="bonus"):
        wkv_matrix(q, k, v, g, u.T, state)
    with pytest.raises(ValueError, match="state"):
        wkv_matrix(q, k, v, g, u, state.mT)
