"""Diagonal linear state spaces with constant complex coefficients: S4D (arXiv 2206.11893), and inside H3 (2212.14052).

    x' = A x + u, y = 2 Re(C x)    by zero-order hold with step s:    x_t = exp(s A) x_{t-1} + (exp(s A) - 1) / A u_t

The factor of u_t moves into the read, so that x_t = exp(s A) x_{t-1} + u_t. Letters: B batch, D systems, M complex states
of a system, N = 2 M numbers that hold them (real parts, then imaginary parts), X inputs that one system works on, T tokens.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from kernels.dispatch import choose
from kernels.long_conv import long_conv
from kernels.precision import wide

SERIES_TERMS = 15
"""Enough for float64 up to a magnitude of a half."""


class System(NamedTuple):
    """A discretised state space: complex [D, M] both."""

    log_decay: Tensor
    """s A: a state is multiplied by its exponential at every token."""
    read: Tensor
    """2 C (exp(s A) - 1) / A: outputs are the real part of read x."""


def discretise(log_step_D: Tensor, log_rate_DM: Tensor, frequency_DM: Tensor, c_DM2: Tensor) -> System:
    """The system with A = -exp(log_rate) + i frequency and the complex C [D, M], given as pairs, in float32 at least."""
    log_step, log_rate, frequency, c = (wide(x) for x in (log_step_D, log_rate_DM, frequency_DM, c_DM2))
    a = torch.complex(-log_rate.exp(), frequency)
    step_D1 = log_step.exp()[:, None]
    log_decay = a * step_D1
    return System(log_decay, 2 * torch.view_as_complex(c.contiguous()) * step_D1 * _mean_exponential(log_decay))


def ssm_filter(system: System, length: int) -> Tensor:
    """What an input adds to the outputs from its own token on, [D, length]: the system as a convolution."""
    return choose({"reference": _filter_reference, "blocked": _filter_blocked})(system, length)


def _filter_reference(system: System, length: int) -> Tensor:
    """The definition: a sum of M complex exponentials at every lag."""
    return (system.read[..., None] * _powers(system, 0, length)).sum(1).real


def _filter_blocked(system: System, length: int) -> Tensor:
    """exp(s A (J i + j)) = exp(s A J i) exp(s A j): a matrix product of about 2 sqrt(length) exponentials a state."""
    block = 1 << (length.bit_length() + 1) // 2
    starts = system.read[..., None] * _powers(System(system.log_decay * block, system.read), 0, -(-length // block))
    within = _powers(system, 0, block)
    return (_real_rows(starts).mT @ _halves(within, 1)).flatten(1)[:, :length]


def ssm(u_BDXT: Tensor, system: System) -> Tensor:
    """The outputs [B, D, X, T] for whole sequences."""
    return long_conv(u_BDXT, ssm_filter(system, u_BDXT.shape[-1])[:, None])


def extend_ssm(u_BDXT: Tensor, system: System, state_BDXN: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs [B, D, X, T] for inputs that follow a state, and the next state."""
    T = u_BDXT.shape[-1]
    if T == 1:
        return _step(u_BDXT, system, state_BDXN)
    remembered = state_BDXN @ _real_rows(system.read[..., None] * _powers(system, 1, T)).to(state_BDXN.dtype)
    written = u_BDXT.to(state_BDXN.dtype) @ _halves(_powers(system, 0, T).flip(-1), 1).mT
    kept = _times(state_BDXN, (system.log_decay * T).exp())
    return ssm(u_BDXT, system) + remembered.to(u_BDXT.dtype), kept + written


def _step(u_BDX1: Tensor, system: System, state_BDXN: Tensor) -> tuple[Tensor, Tensor]:
    """One token: the definition itself, and what decoding does."""
    real, imaginary = _times(state_BDXN, system.log_decay.exp()).chunk(2, dim=-1)
    state_BDXN = torch.cat([real + u_BDX1, imaginary], dim=-1)
    return (state_BDXN @ _real_rows(system.read[..., None])).to(u_BDX1.dtype), state_BDXN


def _times(state_BDXN: Tensor, factor_DM: Tensor) -> Tensor:
    """Every state times its complex factor."""
    real, imaginary = state_BDXN.chunk(2, dim=-1)
    a, b = factor_DM.real[:, None], factor_DM.imag[:, None]
    return torch.cat([a * real - b * imaginary, a * imaginary + b * real], dim=-1)


def _powers(system: System, first: int, count: int) -> Tensor:
    """exp(s A t) for t from `first`, complex [D, M, count]."""
    times = torch.arange(first, first + count, device=system.log_decay.device)
    return (system.log_decay[..., None] * times).exp()


def _halves(x_DMT: Tensor, axis: int) -> Tensor:
    """Real parts, then imaginary parts, along an axis."""
    return torch.cat([x_DMT.real, x_DMT.imag], dim=axis)


def _real_rows(x_DMT: Tensor) -> Tensor:
    """[D, N, T] that, times states held as halves, gives the real part of the complex product."""
    return torch.cat([x_DMT.real, -x_DMT.imag], dim=1)


def _mean_exponential(z: Tensor) -> Tensor:
    """(exp(z) - 1) / z; near zero, where the quotient and more so its gradient lose their digits, by its series."""
    near = z.abs() < 0.5
    away = torch.where(near, 1.0, z)
    series = torch.ones_like(z)
    for n in range(SERIES_TERMS, 1, -1):
        series = 1 + z / n * series
    return torch.where(near, series, (away.exp() - 1) / away)
