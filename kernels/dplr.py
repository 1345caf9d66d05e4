"""A recurrence whose transition is diagonal plus rank one: it removes what it finds under one key and writes it under another.

    S_t = diag(exp g_t) S_{t-1} + b_t (c_t^T S_{t-1}) + k_t v_t^T      o_t = q_t^T S_t

RWKV-7 (arXiv 2503.14456); with b = beta k and c = -exp(g) k it is the gated delta rule with a decay per key channel. Letters
as in `kernels.recurrence`: B batch, T tokens, H heads, K key and V value size, N chunks of C tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose
from kernels.precision import wide_dtype
from kernels.recurrence import VECTOR_CHUNK, in_chunks, key_decay


def dplr(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    log_decay_BTHK: Tensor,
    b_BTHK: Tensor,
    c_BTHK: Tensor,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    """The outputs [B, T, H, V] for tokens that follow a state, and the next state, in the accumulation dtype.

    Log decays must not be positive. Raises ValueError for shapes that do not fit.
    """
    shape = q_BTHK.shape
    if any(x.shape != shape for x in (k_BTHK, log_decay_BTHK, b_BTHK, c_BTHK)) or v_BTHV.shape[:3] != shape[:3]:
        raise ValueError(
            f"k, log_decay, b and c must be {[*shape]} as q is, and v {[*v_BTHV.shape]} {[*shape[:3]]} and its size"
        )
    if state_BHKV.shape != (shape[0], *shape[2:], v_BTHV.shape[3]):
        raise ValueError(f"state {[*state_BHKV.shape]} must be {[shape[0], *shape[2:], v_BTHV.shape[3]]}")
    dtype = wide_dtype(v_BTHV)
    # one token is a step of the definition, which a chunk could only make longer
    form = choose({"reference": dplr_reference, "chunked": dplr_reference if shape[1] == 1 else dplr_chunked})
    inputs = (x.to(dtype) for x in (q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK, b_BTHK, c_BTHK, state_BHKV))
    out_BTHV, state_BHKV = form(*inputs)
    return out_BTHV.to(v_BTHV.dtype), state_BHKV


def dplr_reference(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    log_decay_BTHK: Tensor,
    b_BTHK: Tensor,
    c_BTHK: Tensor,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    """The definition, one step per token."""
    outputs = []
    for t in range(v_BTHV.shape[1]):
        found_BH1V = c_BTHK[:, t, :, None] @ state_BHKV
        moved = b_BTHK[:, t, ..., None] @ found_BH1V
        written = k_BTHK[:, t, ..., None] @ v_BTHV[:, t, :, None]
        state_BHKV = log_decay_BTHK[:, t, ..., None].exp() * state_BHKV + moved + written
        outputs.append((q_BTHK[:, t, :, None] @ state_BHKV)[:, :, 0])
    return torch.stack(outputs, dim=1), state_BHKV


def dplr_chunked(
    q_BTHK: Tensor,
    k_BTHK: Tensor,
    v_BTHV: Tensor,
    log_decay_BTHK: Tensor,
    b_BTHK: Tensor,
    c_BTHK: Tensor,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    """The same by matrix products over chunks of C tokens, with one short loop over the N chunks.

    With P_i the decay from a chunk's start to after token i, D_ij that from token j to token i, H the state that enters and
    U_i = c_i^T S_{i-1} what tokens find:

        U = (c P_-) H + tril(D_- * c b^T, -1) U + tril(D_- * c k^T, -1) V      the decays of the token before
        O = (q P) H + (D * q b^T) U + (D * q k^T) V        H' = P_C H + (b D_C)^T U + (k D_C)^T V

    The triangular system for U is solved for both parts of its right side at once: U = U_v + U_c H.
    """
    T, V = v_BTHV.shape[1], v_BTHV.shape[3]
    C = min(VECTOR_CHUNK, 1 << (T - 1).bit_length())
    q, k, v, log_decay, b, c = (in_chunks(x, C, 1)[:, :, 0] for x in (q_BTHK, k_BTHK, v_BTHV, log_decay_BTHK, b_BTHK, c_BTHK))
    decay = key_decay(log_decay)
    # what token i reads of the state before it, token i - 1 reads of the state after it
    readers = torch.stack([q, F.pad(c[..., 1:, :], (0, 0, 0, 1))])[:, None]
    (q_b, q_k), (c_b, c_k) = decay.scores(readers, torch.stack([b, k])).unbind()
    c_b, c_k = _one_later(c_b), _one_later(c_k)
    c_start = c * F.pad(decay.from_start[..., :-1, :], (0, 0, 1, 0), value=1.0)
    right_side = torch.cat([c_k @ v, c_start], dim=-1)
    solved = torch.linalg.solve_triangular(-c_b, right_side, upper=False, unitriangular=True)
    found_v, found_c = solved.split([V, c.shape[-1]], dim=-1)
    b_end, written = (b * decay.to_end).mT, (k * decay.to_end).mT @ v
    states, found = [], []
    for n in range(v.shape[1]):
        states.append(state_BHKV)
        found.append(found_v[:, n] + found_c[:, n] @ state_BHKV)
        state_BHKV = torch.addcmul(written[:, n] + b_end[:, n] @ found[-1], decay.whole[:, n], state_BHKV)
    out = (q * decay.from_start) @ torch.stack(states, dim=1) + q_b @ torch.stack(found, dim=1) + q_k @ v
    return out.permute(0, 1, 3, 2, 4).flatten(1, 2)[:, :T], state_BHKV


def _one_later(scores_CC: Tensor) -> Tensor:
    """Every row in the place of the next; the first row is zero."""
    return F.pad(scores_CC[..., :-1, :], (0, 0, 1, 0))
