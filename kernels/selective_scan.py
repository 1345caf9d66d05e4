"""The selective scan of Mamba-1: a diagonal recurrence whose decay differs for every channel and state (arXiv 2312.00752).

    h_t = exp(step_t rate) * h_{t-1} + (step_t x_t) b_t^T      y_t = h_t c_t

Letters: B batch, T tokens, D channels, N states per channel; C tokens of a chunk. Everything is accumulated in float32, or
in float64 when the values are.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from kernels.dispatch import choose
from kernels.precision import wide_dtype

CHUNK = 64
"""Tokens whose states exist at once; a chunk stays in the processor's cache."""


def selective_scan(
    x_BTD: Tensor, step_BTD: Tensor, rate_DN: Tensor, b_BTN: Tensor, c_BTN: Tensor, state_BDN: Tensor
) -> tuple[Tensor, Tensor]:
    """Run the scan over T tokens; return the outputs [B, T, D] and the last state [B, D, N].

    Steps must not be negative, rates not positive. The state has the accumulation dtype, the outputs have that of x.
    Raises ValueError for shapes that do not fit.
    """
    _check_shapes(x_BTD, step_BTD, rate_DN, b_BTN, c_BTN, state_BDN)
    dtype = wide_dtype(x_BTD)
    # one token is a step of the definition, which a chunk could only make longer
    forms = {"reference": scan_reference, "chunked": scan_reference if x_BTD.shape[1] == 1 else scan_chunked}
    form = choose(forms)
    out_BTD, state_BDN = form(*(tensor.to(dtype) for tensor in (x_BTD, step_BTD, rate_DN, b_BTN, c_BTN, state_BDN)))
    return out_BTD.to(x_BTD.dtype), state_BDN


def _check_shapes(x: Tensor, step: Tensor, rate: Tensor, b: Tensor, c: Tensor, state: Tensor) -> None:
    (B, T, D), N = x.shape, rate.shape[-1]
    expected = {"step": (B, T, D), "rate": (D, N), "b": (B, T, N), "c": (B, T, N), "state": (B, D, N)}
    for (name, shape), tensor in zip(expected.items(), (step, rate, b, c, state), strict=True):
        if tensor.shape != shape:
            raise ValueError(f"{name} {[*tensor.shape]} must be {[*shape]}")
    if T < 1:
        raise ValueError("x must be at least one token")


def scan_reference(
    x_BTD: Tensor, step_BTD: Tensor, rate_DN: Tensor, b_BTN: Tensor, c_BTN: Tensor, state_BDN: Tensor
) -> tuple[Tensor, Tensor]:
    """The definition, one step per token; the write and the read are matrix products, as decoding counts them."""
    outputs = []
    for t in range(x_BTD.shape[1]):
        step_BD = step_BTD[:, t]
        write_BDN = (step_BD * x_BTD[:, t])[..., None] @ b_BTN[:, t, None]
        state_BDN = (step_BD[..., None] * rate_DN).exp() * state_BDN + write_BDN
        outputs.append((state_BDN @ c_BTN[:, t, :, None])[..., 0])
    return torch.stack(outputs, dim=1), state_BDN


def scan_chunked(
    x_BTD: Tensor, step_BTD: Tensor, rate_DN: Tensor, b_BTN: Tensor, c_BTN: Tensor, state_BDN: Tensor
) -> tuple[Tensor, Tensor]:
    """The same loop outside autograd, one fused multiply-add per token, everything else at once for a chunk.

    The backward pass runs the adjoint loop from the last chunk to the first. Of the states only those that enter a chunk are
    kept; the others are made again.
    """
    x, step, b, c = (tensor.transpose(0, 1).contiguous() for tensor in (x_BTD, step_BTD, b_BTN, c_BTN))
    # torch gives this method no types
    out_TBD, last_BDN = _Scan.apply(x, step, rate_DN, b, c, state_BDN)  # type: ignore[no-untyped-call]
    return out_TBD.transpose(0, 1), last_BDN


class _Scan(torch.autograd.Function):
    """Time comes first here, so that the states of one token are contiguous."""

    @staticmethod
    def forward(
        ctx: Any, x_TBD: Tensor, step_TBD: Tensor, rate_DN: Tensor, b_TBN: Tensor, c_TBN: Tensor, state_BDN: Tensor
    ) -> tuple[Tensor, Tensor]:
        entering, outputs = [], []
        for x, step, b, c in zip(*(torch.split(tensor, CHUNK) for tensor in (x_TBD, step_TBD, b_TBN, c_TBN)), strict=True):
            entering.append(state_BDN)
            _, states = _chunk_states(x, step, rate_DN, b, state_BDN)
            outputs.append(_dot(states, c))
            # a copy, so that the chunk's other states are freed
            state_BDN = states[-1].clone()
        ctx.save_for_backward(x_TBD, step_TBD, rate_DN, b_TBN, c_TBN, *entering)
        return torch.cat(outputs), state_BDN

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out_TBD: Tensor, d_last_BDN: Tensor) -> tuple[Tensor, ...]:
        x_TBD, step_TBD, rate_DN, b_TBN, c_TBN, *entering = ctx.saved_tensors
        of_tokens = (torch.split(tensor, CHUNK) for tensor in (x_TBD, step_TBD, b_TBN, c_TBN, d_out_TBD))
        chunks = zip(*of_tokens, entering, strict=True)
        d_rate_DN, d_state_BDN = torch.zeros_like(rate_DN), d_last_BDN
        gradients = []
        for x, step, b, c, d_out, state in reversed([*chunks]):
            *d_tokens, d_chunk_rate, d_state_BDN = _chunk_gradients(x, step, rate_DN, b, c, state, d_out, d_state_BDN)
            d_rate_DN += d_chunk_rate
            gradients.append(d_tokens)
        d_x, d_step, d_b, d_c = (torch.cat(chunks[::-1]) for chunks in zip(*gradients, strict=True))
        return d_x, d_step, d_rate_DN, d_b, d_c, d_state_BDN


def _chunk_states(x_CBD: Tensor, step_CBD: Tensor, rate_DN: Tensor, b_CBN: Tensor, state_BDN: Tensor) -> tuple[Tensor, Tensor]:
    """The decays and the states after each token of a chunk, [C, B, D, N] both."""
    decays = (step_CBD[..., None] * rate_DN).exp_()
    states = (step_CBD * x_CBD)[..., None] * b_CBN[:, :, None]
    for decay, state in zip(decays.unbind(), states.unbind(), strict=True):
        state_BDN = state.addcmul_(decay, state_BDN)
    return decays, states


def _chunk_gradients(
    x: Tensor, step: Tensor, rate_DN: Tensor, b: Tensor, c: Tensor, state: Tensor, d_out: Tensor, d_last: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of x, step, b, c, rate and the entering state, from those of the outputs and of the state that leaves."""
    decays, states = _chunk_states(x, step, rate_DN, b, state)
    d_states = d_out[..., None] * c[:, :, None]
    d_states[-1] += d_last
    later = d_states[-1]
    for d_state, decay in zip(reversed(d_states.unbind()[:-1]), reversed(decays.unbind()), strict=False):
        later = d_state.addcmul_(decay, later)
    d_entering = decays[0] * later
    d_write = _dot(d_states, b)
    d_b, d_c = (left[:, :, None] @ right for left, right in ((step * x, d_states), (d_out, states)))
    # from here on the gradient of the exponents, step times rate
    d_exponents = d_states.mul_(decays)
    d_exponents[0] *= state
    d_exponents[1:] *= states[:-1]
    d_step = x * d_write + (d_exponents * rate_DN).sum(-1)
    d_rate = d_exponents.mul_(step[..., None]).sum((0, 1))
    return step * d_write, d_step, d_b[:, :, 0], d_c[:, :, 0], d_rate, d_entering


def _dot(states_CBDN: Tensor, vectors_CBN: Tensor) -> Tensor:
    """Every channel's states times one vector: [C, B, D]."""
    return (states_CBDN @ vectors_CBN[..., None])[..., 0]
