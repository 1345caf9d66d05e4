"""Loops over tokens as one operator, for graphs that are exported: such a graph does not grow with the sequence.

Each function here is a kernel's definition with torch's scan in place of the Python loop, and of the same signature.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch._higher_order_ops.scan import scan

from kernels.dplr import dplr_reference
from kernels.linear_scan import linear_scan_reference
from kernels.quota import counted_reference
from kernels.recurrence import recurrence_reference
from kernels.selective_scan import scan_reference
from kernels.wkv import Sums, wkv_reference
from kernels.wkv_matrix import wkv_matrix_reference

Tensors = tuple[Tensor, ...]
Step = Callable[[Tensors, Tensors], tuple[Tensors, Tensor]]
"""From a state and one token's inputs [B, 1, ...] to the next state and the output [B, 1, ...]."""


def over_tokens(step: Step, state: Tensors, inputs: Tensors) -> tuple[Tensor, Tensors]:
    """The outputs of all tokens, and the last state; the inputs are [B, T, ...]."""

    # neither a state nor an output may share memory with what comes in
    def own(before: list[Tensor], token: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        after, out = step(tuple(before), tuple(x[:, None] for x in token))
        return [x.clone() for x in after], out[:, 0].clone()

    first = [x.clone(memory_format=torch.contiguous_format) for x in state]
    after, out_TB = scan(own, first, [x.transpose(0, 1) for x in inputs])
    return out_TB.transpose(0, 1), tuple(after)


def linear_scan(x_BTD: Tensor, decay_BTD: Tensor, state_BD: Tensor) -> Tensor:
    """As `kernels.linear_scan.linear_scan_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        out_B1D = linear_scan_reference(*token, *state)
        return (out_B1D[:, 0],), out_B1D

    return over_tokens(step, (state_BD,), (x_BTD, decay_BTD))[0]


def recurrence(
    q_BTGK: Tensor, k_BTGK: Tensor, v_BTHV: Tensor, log_decay: Tensor, beta_BTH: Tensor | None, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """As `kernels.recurrence.recurrence_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        q, k, v, decay, *beta = token
        out, after = recurrence_reference(q, k, v, decay, beta[0] if beta else None, *state)
        return (after,), out

    inputs = (q_BTGK, k_BTGK, v_BTHV, log_decay) + (() if beta_BTH is None else (beta_BTH,))
    out_BTHV, (after_BHKV,) = over_tokens(step, (state_BHKV,), inputs)
    return out_BTHV, after_BHKV


def selective_scan(
    x_BTD: Tensor, step_BTD: Tensor, rate_DN: Tensor, b_BTN: Tensor, c_BTN: Tensor, state_BDN: Tensor
) -> tuple[Tensor, Tensor]:
    """As `kernels.selective_scan.scan_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        x, width, b, c = token
        out, after = scan_reference(x, width, rate_DN, b, c, *state)
        return (after,), out

    out_BTD, (after_BDN,) = over_tokens(step, (state_BDN,), (x_BTD, step_BTD, b_BTN, c_BTN))
    return out_BTD, after_BDN


def wkv(k_BTD: Tensor, v_BTD: Tensor, log_decay_D: Tensor, bonus_D: Tensor, sums: Sums) -> tuple[Tensor, Sums]:
    """As `kernels.wkv.wkv_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        k, v = token
        out, after = wkv_reference(k, v, log_decay_D, bonus_D, Sums(*state))
        return tuple(after), out

    out_BTD, after = over_tokens(step, tuple(sums), (k_BTD, v_BTD))
    return out_BTD, Sums(*after)


def wkv_matrix(
    q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor, bonus_HK: Tensor, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """As `kernels.wkv_matrix.wkv_matrix_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        q, k, v, log_decay = token
        out, after = wkv_matrix_reference(q, k, v, log_decay, bonus_HK, *state)
        return (after,), out

    out_BTHV, (after_BHKV,) = over_tokens(step, (state_BHKV,), (q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK))
    return out_BTHV, after_BHKV


def dplr(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    log_decay_BTHK: Tensor,
    b_BTHK: Tensor,
    c_BTHK: Tensor,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    """As `kernels.dplr.dplr_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        out, after = dplr_reference(*token, *state)
        return (after,), out

    inputs = (q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK, b_BTHK, c_BTHK)
    out_BTHV, (after_BHKV,) = over_tokens(step, (state_BHKV,), inputs)
    return out_BTHV, after_BHKV


def counted(wishes_BT: Tensor, limit_BT: Tensor, n_admitted_B: Tensor) -> Tensor:
    """As `kernels.quota.counted_reference`."""

    def step(state: Tensors, token: Tensors) -> tuple[Tensors, Tensor]:
        counted_B1 = counted_reference(*token, *state)
        return (counted_B1[:, 0],), counted_B1

    return over_tokens(step, (n_admitted_B,), (wishes_BT, limit_BT))[0]


SCANS: dict[Callable[..., object], Callable[..., object]] = {
    linear_scan_reference: linear_scan,
    recurrence_reference: recurrence,
    scan_reference: selective_scan,
    wkv_reference: wkv,
    wkv_matrix_reference: wkv_matrix,
    dplr_reference: dplr,
    counted_reference: counted,
}
"""Of every definition that loops over tokens, the same with one operator: for `kernels.dispatch.replace`."""
