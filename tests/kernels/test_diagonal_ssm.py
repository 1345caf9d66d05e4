"""Diagonal state spaces: the convolution against the recurrence by zero-order hold, both against the published formulas."""

import pytest
import torch
from torch import Tensor

from kernels.diagonal_ssm import System, discretise, extend_ssm, ssm, ssm_filter
from kernels.dispatch import force
from tests.kernels.accuracy import assert_equals_definition, each, in_float64

D, M, X = 3, 4, 2


def make_parameters(step=0.05):
    """log step, log rate, frequency and C of three systems of four complex states."""
    generator = torch.Generator().manual_seed(0)
    log_step = torch.full((D,), step).log() + 0.1 * torch.randn(D, generator=generator)
    log_rate = torch.full((D, M), 0.5).log() + 0.3 * torch.randn(D, M, generator=generator)
    frequency = torch.pi * torch.arange(M).expand(D, M) + 0.2
    return [log_step, log_rate, frequency, torch.randn(D, M, 2, generator=generator)]


def make_inputs(length):
    generator = torch.Generator().manual_seed(length)
    return torch.randn(2, D, X, length, generator=generator)


def published_filter(log_step: Tensor, log_rate: Tensor, frequency: Tensor, c: Tensor, length: int) -> Tensor:
    """S4D, section 3: K_l = 2 Re sum_n C_n (exp(s A_n) - 1) / A_n exp(s A_n)^l."""
    a = torch.complex(-log_rate.exp(), frequency)
    decay = (a * log_step.exp()[:, None]).exp()
    vandermonde = decay[..., None] ** torch.arange(length)
    return 2 * torch.einsum("dm,dml->dl", torch.complex(c[..., 0], c[..., 1]) * (decay - 1) / a, vandermonde).real


def zero_order_hold(log_step: Tensor, log_rate: Tensor, frequency: Tensor, c: Tensor, u: Tensor) -> Tensor:
    """The recurrence on complex states, token by token; with constant input it is the continuous system's solution."""
    a = torch.complex(-log_rate.exp(), frequency)
    decay = (a * log_step.exp()[:, None]).exp()
    state, outputs = torch.zeros(2, D, X, M, dtype=a.dtype), []
    for t in range(u.shape[-1]):
        state = decay[:, None] * state + ((decay - 1) / a)[:, None] * u[..., t, None]
        outputs.append(2 * (torch.complex(c[..., 0], c[..., 1])[:, None] * state).sum(-1).real)
    return torch.stack(outputs, dim=-1)


@pytest.mark.parametrize("form", ["reference", "blocked"])
@pytest.mark.parametrize("length", [1, 2, 3, 64, 100])
def test_ssm_filter_equals_the_published_formula(form, length):
    log_step, log_rate, frequency, c = each(make_parameters(), in_float64)
    with force(form):
        found = ssm_filter(discretise(log_step, log_rate, frequency, c), length)
    assert torch.allclose(found, published_filter(log_step, log_rate, frequency, c, length), atol=1e-12)


def test_ssm_is_the_recurrence_by_zero_order_hold():
    log_step, log_rate, frequency, c = each(make_parameters(), in_float64)
    system, u = discretise(log_step, log_rate, frequency, c), make_inputs(80).double()
    assert torch.allclose(ssm(u, system), zero_order_hold(log_step, log_rate, frequency, c, u), atol=1e-12)


@pytest.mark.parametrize("length", [1, 30, 257])
@pytest.mark.parametrize("step", [1e-4, 0.1])
def test_ssm_filter_in_float32_equals_definition(length, step):
    assert_equals_definition(lambda *parameters: (ssm_filter(discretise(*parameters), length),), make_parameters(step))


def test_ssm_continues_from_a_state():
    system, u = discretise(*make_parameters()), make_inputs(60)
    state, outputs = torch.zeros(2, D, X, 2 * M), []
    for segment in u.split([1, 1, 30, 1, 27], dim=-1):
        out, state = extend_ssm(segment, system, state)
        outputs.append(out)
    assert torch.allclose(torch.cat(outputs, dim=-1), ssm(u, system), atol=1e-5)


def test_ssm_follows_the_continuous_system_however_small_the_steps():
    """For a constant input of 1 the exact solution is y = 2 Re(C (exp(A t) - 1) / A), at any step."""
    for step in (1e-5, 0.01):
        parameters = make_parameters(step)
        system = discretise(*parameters)
        out = ssm(torch.ones(1, D, 1, 50), system)[0, :, 0]
        log_step, log_rate, frequency, c = each(parameters, in_float64)
        a = torch.complex(-log_rate.exp(), frequency)
        time = log_step.exp()[:, None] * torch.arange(1, 51)
        exact = 2 * (torch.view_as_complex(c)[..., None] * (a[..., None] * time[:, None]).expm1() / a[..., None]).sum(1).real
        assert (out.double() - exact).norm() <= 1e-5 * exact.norm()


def test_ssm_system_is_complex_per_system_and_state():
    system = discretise(*make_parameters())
    assert isinstance(system, System)
    assert all(x.is_complex() and x.shape == (D, M) for x in system)
