"""The diagonal-plus-rank-one recurrence: its chunked form against its float64 definition, and what it contains."""

import pytest
import torch
import torch.nn.functional as F

from kernels.dispatch import force
from kernels.dplr import dplr
from kernels.recurrence import recurrence
from tests.kernels.accuracy import assert_equals_definition

H, K, V = 3, 4, 5


def make_inputs(length, rate=1.0):
    """q, k, v, log decay, b, c and state for 2 sequences, as RWKV-7 has them: b c^T takes part of a direction away."""
    generator = torch.Generator().manual_seed(length)
    q, k, g, removed = (torch.randn(2, length, H, K, generator=generator) for _ in range(4))
    removed, share = F.normalize(removed, dim=-1), torch.rand(2, length, H, K, generator=generator)
    v = torch.randn(2, length, H, V, generator=generator)
    return [q, k, v, -rate * g.sigmoid(), removed * share, -removed, torch.randn(2, H, K, V, generator=generator)]


def published_loop(state, q, k, v, alpha, beta, gk):
    """The recurrence of flash-linear-attention's naive DPLR operator, written anew: [B, H, T, ..] and no scale."""
    out = torch.zeros_like(v)
    for i in range(q.shape[2]):
        kv = k[:, :, i, :, None] * v[:, :, i, None, :]
        kv = kv + (state * alpha[:, :, i, :, None]).sum(-2, keepdim=True) * beta[:, :, i, :, None]
        state = state * gk[:, :, i, :, None].exp() + kv
        out[:, :, i] = (state * q[:, :, i, :, None]).sum(-2)
    return out, state


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 80])
def test_dplr_chunked_equals_definition(length):
    assert_equals_definition(dplr, make_inputs(length))


@pytest.mark.parametrize("rate", [0.0, 1e-4, 50.0])
def test_dplr_keeps_extreme_decays_exact(rate):
    assert_equals_definition(dplr, make_inputs(50, rate))


@pytest.mark.parametrize("form", ["reference", "chunked"])
def test_dplr_equals_the_published_loop(form):
    q, k, v, g, b, c, state = (x.double() for x in make_inputs(40))
    expected, last = published_loop(state, *(x.transpose(1, 2) for x in (q, k, v, c, b, g)))
    with force(form):
        out, found = dplr(q, k, v, g, b, c, state)
    assert torch.allclose(out, expected.transpose(1, 2), rtol=1e-10, atol=1e-10)
    assert torch.allclose(found, last, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("decayed", [False, True])
def test_dplr_contains_the_delta_rule(decayed):
    q, k, v, g, _, _, state = (x.double() for x in make_inputs(40))
    g, k = g * decayed, F.normalize(k, dim=-1)
    beta = torch.rand(2, 40, H, generator=torch.Generator().manual_seed(0)).double()
    expected, last = recurrence(q, k, v, g, beta, state)
    strength = beta[..., None]
    out, found = dplr(q, k, strength * v, g, strength * k, -g.exp() * k, state)
    assert torch.allclose(out, expected, rtol=1e-10, atol=1e-10)
    assert torch.allclose(found, last, rtol=1e-10, atol=1e-10)


def test_dplr_refuses_shapes_that_do_not_fit():
    q, k, v, g, b, c, state = make_inputs(4)
    with pytest.raises(ValueError, match="log_decay"):
        dplr(q, k, v, g[..., :1], b, c, state)
    with pytest.raises(ValueError, match="state"):
        dplr(q, k, v, g, b, c, state.mT)
