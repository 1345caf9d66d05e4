"""The wkv of RWKV-5 and RWKV-6: a matrix state that is read before it is written, with a bonus for the token itself.

    o_t = q_t^T (S_{t-1} + diag(u) k_t v_t^T)      S_t = diag(exp g_t) S_{t-1} + k_t v_t^T      (arXiv 2404.05892)

S_{t-1} is what the token before reads after its write: this is `kernels.recurrence` with every query one token earlier.
Letters: B batch, T tokens, H heads, K key and V value size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose
from kernels.precision import wide_dtype
from kernels.recurrence import recurrence


def wkv_matrix(
    q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor, bonus_HK: Tensor, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """The outputs [B, T, H, V] for tokens that follow a state, and the next state, in the accumulation dtype.

    Raises ValueError for shapes that do not fit.
    """
    B, T, H, K = q_BTHK.shape
    expected = {"k": (B, T, H, K), "log_decay": (B, T, H, K), "bonus": (H, K), "state": (B, H, K, v_BTHV.shape[-1])}
    for (name, shape), x in zip(expected.items(), (k_BTHK, log_decay_BTHK, bonus_HK, state_BHKV), strict=True):
        if x.shape != shape:
            raise ValueError(f"{name} {[*x.shape]} must be {[*shape]}")
    dtype = wide_dtype(v_BTHV)
    form = choose({"reference": wkv_matrix_reference, "chunked": wkv_matrix_reference if T == 1 else wkv_matrix_chunked})
    inputs = (x.to(dtype) for x in (q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK, bonus_HK, state_BHKV))
    out_BTHV, state_BHKV = form(*inputs)
    return out_BTHV.to(v_BTHV.dtype), state_BHKV


def wkv_matrix_reference(
    q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor, bonus_HK: Tensor, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """The definition, one step per token."""
    outputs = []
    for t in range(v_BTHV.shape[1]):
        outputs.append((q_BTHK[:, t, :, None] @ state_BHKV)[:, :, 0])
        written = k_BTHK[:, t, :, :, None] @ v_BTHV[:, t, :, None]
        state_BHKV = log_decay_BTHK[:, t, ..., None].exp() * state_BHKV + written
    return torch.stack(outputs, dim=1) + _own(q_BTHK, k_BTHK, v_BTHV, bonus_HK), state_BHKV


def wkv_matrix_chunked(
    q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, log_decay_BTHK: Tensor, bonus_HK: Tensor, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """By the recurrence that reads after it writes: token t reads for token t + 1, and the state that enters for the first."""
    later_BTHK = F.pad(q_BTHK[:, 1:], (0, 0, 0, 0, 0, 1))
    read_BTHV, last_BHKV = recurrence(later_BTHK, k_BTHK, v_BTHV, log_decay_BTHK, None, state_BHKV)
    first_B1HV = (q_BTHK[:, 0, :, None] @ state_BHKV).transpose(1, 2)
    return torch.cat([first_B1HV, read_BTHV[:, :-1]], dim=1) + _own(q_BTHK, k_BTHK, v_BTHV, bonus_HK), last_BHKV


def _own(q_BTHK: Tensor, k_BTHK: Tensor, v_BTHV: Tensor, bonus_HK: Tensor) -> Tensor:
    """What a token reads of its own value."""
    return (q_BTHK * bonus_HK * k_BTHK).sum(-1, keepdim=True) * v_BTHV
