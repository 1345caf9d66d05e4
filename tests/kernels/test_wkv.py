"""RWKV-4's wkv: its chunked form against its float64 definition, both against the written sums and transformers' loop."""

import pytest
import torch
from transformers.models.rwkv.modeling_rwkv import rwkv_linear_attention_cpu

from kernels.dispatch import force
from kernels.wkv import NOTHING, Sums, wkv
from tests.kernels.accuracy import assert_equals_definition, each

D = 5


def make_inputs(length, key_scale=1.0, rate=1.0):
    """k, v, log decay, bonus, and the sums after some tokens, for 2 sequences."""
    generator = torch.Generator().manual_seed(length)
    k, v = (torch.randn(2, length, D, generator=generator) for _ in range(2))
    numerator, exponent = (torch.randn(2, D, generator=generator) for _ in range(2))
    denominator = 0.5 + torch.rand(2, D, generator=generator)
    log_decay = -rate * torch.rand(D, generator=generator)
    return [key_scale * k, v, log_decay, torch.randn(D, generator=generator), numerator, denominator, key_scale * exponent]


def run(k, v, log_decay, bonus, *sums):
    """Means, and of the sums what does not depend on the exponent they are relative to."""
    out, after = wkv(k, v, log_decay, bonus, Sums(*sums))
    return [out, after.numerator_BD / after.denominator_BD, after.denominator_BD.log() + after.exponent_BD]


def nothing(dtype=torch.float32):
    zeros = torch.zeros(2, D, dtype=dtype)
    return Sums(zeros, zeros, zeros + NOTHING)


def run_from_nothing(k, v, log_decay, bonus):
    return [wkv(k, v, log_decay, bonus, nothing(k.dtype))[0]]


@pytest.mark.parametrize("length", [1, 2, 5, 63, 64, 65, 200])
def test_wkv_chunked_equals_definition(length):
    # the exponent of the sums that enter is a constant to the gradient
    inputs = make_inputs(length)
    assert_equals_definition(lambda *tokens: run(*tokens, inputs[-1].to(tokens[0].dtype)), inputs[:-1])


@pytest.mark.parametrize("key_scale", [0.0, 10.0, 300.0])
@pytest.mark.parametrize("rate", [0.0, 1.0, 100.0])
def test_wkv_chunked_overflows_at_no_exponent(key_scale, rate):
    inputs = [x.double() for x in make_inputs(150, key_scale, rate)[:4]]
    with force("reference"):
        truth = run_from_nothing(*inputs)[0]
    assert (run_from_nothing(*inputs)[0] - truth).abs().max() < 1e-10
    found = run_from_nothing(*(x.float() for x in inputs))[0]
    # keys of 300 themselves are rounded to 1e-5 in float32
    assert (found.double() - truth).abs().max() < 3e-6 * max(1, key_scale, rate * 10)


@pytest.mark.parametrize("form", ["reference", "chunked"])
def test_wkv_is_the_weighted_mean_it_says(form):
    k, v, log_decay, bonus = (x.double() for x in make_inputs(20)[:4])
    with force(form):
        out = wkv(k, v, log_decay, bonus, nothing(torch.float64))[0]
    for t in range(20):
        ages = torch.arange(t - 1, -1, -1)[:, None]
        weights = torch.cat([(ages * log_decay + k[:, :t]).exp(), (bonus + k[:, t : t + 1]).exp()], dim=1)
        assert torch.allclose(out[:, t], (weights * v[:, : t + 1]).sum(1) / weights.sum(1), rtol=1e-12)


def test_wkv_equals_transformers():
    k, v, log_decay, bonus = make_inputs(100)[:4]
    theirs, sums = rwkv_linear_attention_cpu((-log_decay).log(), bonus, k, v, return_state=True)
    ours, after = wkv(k, v, log_decay, bonus, nothing())
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    for expected, found in zip(sums, after, strict=True):
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_wkv_continues_from_sums():
    k, v, log_decay, bonus = make_inputs(70)[:4]
    whole, _ = wkv(k, v, log_decay, bonus, nothing())
    first, sums = wkv(k[:, :33], v[:, :33], log_decay, bonus, nothing())
    second, _ = wkv(k[:, 33:], v[:, 33:], log_decay, bonus, sums)
    assert torch.allclose(torch.cat([first, second], dim=1), whole, atol=1e-5)


def test_wkv_refuses_shapes_that_do_not_fit():
    k, v, log_decay, bonus = make_inputs(4)[:4]
    with pytest.raises(ValueError, match="must have"):
        wkv(k, v, log_decay[1:], bonus, nothing())
    with pytest.raises(ValueError, match="sums"):
        wkv(k[:1], v[:1], log_decay, bonus, nothing())


def test_wkv_gradients_start_finite():
    inputs = each(make_inputs(40)[:4], lambda x: x.requires_grad_())
    run_from_nothing(*inputs)[0].square().sum().backward()
    assert all(x.grad.isfinite().all() and x.grad.any() for x in inputs)
