"""Linear recurrences with a matrix state: the step loop that defines them and the chunked form that trains them.

    S_t = diag(exp g_t) S_{t-1} + k_t w_t^T      o_t = q_t^T S_t
    w_t = v_t                                    without beta
    w_t = beta_t (v_t - k_t^T diag(exp g_t) S_{t-1})    with beta: the delta rule

Mamba-2 (arXiv 2405.21060), RetNet (2307.08621), GLA (2312.06635), Gated DeltaNet (2412.06464).
Letters: B batch, T tokens, H heads, G groups of heads that share queries and keys, R = H / G, K key and V value size,
N chunks of C tokens. Everything is accumulated in float32, or in float64 when the values are.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose
from kernels.precision import wide_dtype

SCALAR_CHUNK = 32
VECTOR_CHUNK = 16


def recurrence(
    q_BTGK: Tensor,
    k_BTGK: Tensor,
    v_BTHV: Tensor,
    log_decay: Tensor | None = None,
    beta_BTH: Tensor | None = None,
    state_BHKV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run the recurrence over T tokens; return the outputs [B, T, H, V] and the last state [B, H, K, V].

    `log_decay` is g: None for no decay, [B, T, H] for one decay per head, [B, T, G, K] for one per key channel; it must
    not be positive and may be -inf. Head h reads group h // R. Without `state_BHKV` the state starts at zero. The state
    has the accumulation dtype, the outputs have that of the values. Raises ValueError for shapes that do not fit.
    """
    _check_shapes(q_BTGK, k_BTGK, v_BTHV, log_decay, beta_BTH, state_BHKV)
    dtype = wide_dtype(v_BTHV)
    B, T, H, V = v_BTHV.shape
    if log_decay is None:
        log_decay = v_BTHV.new_zeros(B, T, H)
    if state_BHKV is None:
        state_BHKV = v_BTHV.new_zeros(B, H, q_BTGK.shape[-1], V)
    # one token is a step of the definition, which a chunk could only make longer
    forms = {"reference": recurrence_reference, "chunked": recurrence_reference if T == 1 else recurrence_chunked}
    form = choose(forms)
    out_BTHV, state_BHKV = form(
        q_BTGK.to(dtype),
        k_BTGK.to(dtype),
        v_BTHV.to(dtype),
        log_decay.to(dtype),
        None if beta_BTH is None else beta_BTH.to(dtype),
        state_BHKV.to(dtype),
    )
    return out_BTHV.to(v_BTHV.dtype), state_BHKV


def _check_shapes(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, beta: Tensor | None, state: Tensor | None) -> None:
    B, T, H, V = v.shape
    G, K = q.shape[2:]
    if q.shape != k.shape or q.shape[:2] != (B, T) or H % G:
        raise ValueError(f"q {[*q.shape]} and k {[*k.shape]} must be [{B}, {T}, G, K] with G dividing {H} heads")
    if log_decay is not None and log_decay.shape not in ((B, T, H), (B, T, G, K)):
        raise ValueError(f"log_decay {[*log_decay.shape]} must be [{B}, {T}, {H}] or [{B}, {T}, {G}, {K}]")
    if beta is not None and beta.shape != (B, T, H):
        raise ValueError(f"beta {[*beta.shape]} must be [{B}, {T}, {H}]")
    if state is not None and state.shape != (B, H, K, V):
        raise ValueError(f"state {[*state.shape]} must be [{B}, {H}, {K}, {V}]")


def recurrence_step(
    q_BGK: Tensor,
    k_BGK: Tensor,
    v_BHV: Tensor,
    log_decay: Tensor | None,
    beta_BH: Tensor | None,
    state_BHKV: Tensor,
) -> tuple[Tensor, Tensor]:
    """One token of the recurrence: the definition itself, and what decoding does. Shapes as above, without T."""
    H = v_BHV.shape[1]
    q_BHK, k_BHK = _per_head(q_BGK, H), _per_head(k_BGK, H)
    if log_decay is not None:
        decay_BHK = _per_head(log_decay, H) if log_decay.dim() == 3 else log_decay[..., None]
        state_BHKV = decay_BHK.exp()[..., None] * state_BHKV
    write_BHV = v_BHV
    if beta_BH is not None:
        write_BHV = beta_BH[..., None] * (v_BHV - (k_BHK[..., None, :] @ state_BHKV)[..., 0, :])
    state_BHKV = state_BHKV + k_BHK[..., :, None] @ write_BHV[..., None, :]
    return (q_BHK[..., None, :] @ state_BHKV)[..., 0, :], state_BHKV


def _per_head(x_BGK: Tensor, n_heads: int) -> Tensor:
    """Each group's vector for each of its heads: [B, G, K] to [B, H, K]."""
    return x_BGK.repeat_interleave(n_heads // x_BGK.shape[1], dim=1)


def recurrence_reference(
    q_BTGK: Tensor, k_BTGK: Tensor, v_BTHV: Tensor, log_decay: Tensor, beta_BTH: Tensor | None, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """The definition, one step per token."""
    outputs = []
    for t in range(v_BTHV.shape[1]):
        beta_BH = None if beta_BTH is None else beta_BTH[:, t]
        out_BHV, state_BHKV = recurrence_step(q_BTGK[:, t], k_BTGK[:, t], v_BTHV[:, t], log_decay[:, t], beta_BH, state_BHKV)
        outputs.append(out_BHV)
    return torch.stack(outputs, dim=1), state_BHKV


def recurrence_chunked(
    q_BTGK: Tensor, k_BTGK: Tensor, v_BTHV: Tensor, log_decay: Tensor, beta_BTH: Tensor | None, state_BHKV: Tensor
) -> tuple[Tensor, Tensor]:
    """The same by matrix products over chunks of C tokens, with one short loop over the N chunks.

    With P_i the decay from a chunk's start to token i, D_ij that from token j to token i (both products of factors of at
    most 1, so nothing overflows) and H the state that enters the chunk:

        O = (q P) H + (D * q k^T) W        H' = P_C H + (k D_C)^T W
        W = V, or with beta the solution of (I + beta tril(D * k k^T, -1)) W = beta (V - (k P) H)
    """
    (B, T, H, V), G = v_BTHV.shape, q_BTGK.shape[2]
    vector_decay = log_decay.dim() == 4
    C = min(VECTOR_CHUNK if vector_decay else SCALAR_CHUNK, 1 << (T - 1).bit_length())
    q, k, v = in_chunks(q_BTGK, C, G), in_chunks(k_BTGK, C, G), in_chunks(v_BTHV, C, G)
    decay = key_decay(in_chunks(log_decay, C, G)) if vector_decay else _scalar_decay(in_chunks(log_decay[..., None], C, G))
    state = torch.unflatten(state_BHKV, 1, (G, H // G))
    q_start, k_start, k_end = q * decay.from_start, k * decay.from_start, k * decay.to_end
    if beta_BTH is None:
        states, state = _add_states(k_end.mT @ v, decay.whole, state)
        writes = v
    else:
        beta = in_chunks(beta_BTH[..., None], C, G)
        states, writes, state = _delta_states(k, v, beta, k_start, k_end, decay, state)
    out = q_start @ states + decay.scores(q, k) @ writes
    out_BTHV = out.permute(0, 1, 4, 2, 3, 5).reshape(B, -1, H, V)[:, :T]
    return out_BTHV, state.flatten(1, 2)


def in_chunks(x_BTHX: Tensor, chunk: int, n_groups: int) -> Tensor:
    """[B, T, H, X] to [B, N, G, R, C, X]; the last chunk is filled with zeros, which leave a state as it is."""
    padded = F.pad(x_BTHX, (0, 0, 0, 0, 0, -x_BTHX.shape[1] % chunk))
    grouped = torch.unflatten(torch.unflatten(padded, 2, (n_groups, -1)), 1, (-1, chunk))
    return grouped.permute(0, 1, 3, 4, 2, 5)


class _Decay(NamedTuple):
    """Decay inside chunks, as factors: [..., C, K], or [..., C, 1] where a head has one decay."""

    from_start: Tensor
    """From the state that enters the chunk to token i."""
    to_end: Tensor
    """From token j to the state that leaves the chunk."""
    whole: Tensor
    """Over the whole chunk, for every key channel of a state: [..., K, 1] or [..., 1, 1]."""
    scores: Callable[[Tensor, Tensor], Tensor]
    """Of x and y [..., C, K]: the lower triangle [..., i, j] of sum_K x_i D_ij y_j."""


def _scalar_decay(log_decay: Tensor) -> _Decay:
    """One decay per head: D is a C x C matrix. Sums over segments, not differences of sums, keep small decays exact."""
    C = log_decay.shape[-2]
    after = torch.ones(C, C, dtype=torch.bool, device=log_decay.device).tril(-1)
    # entry (i, j) sums the log decays of tokens j + 1 .. i
    segments = log_decay.expand(*log_decay.shape[:-1], C).masked_fill(~after, 0).cumsum(-2)
    decay_CC = segments.exp().tril()
    from_start = log_decay.cumsum(-2).exp()
    return _Decay(
        from_start=from_start,
        to_end=decay_CC[..., -1, :, None],
        whole=from_start[..., -1:, :],
        scores=lambda x, y: (x @ y.mT) * decay_CC,
    )


def key_decay(log_decay: Tensor) -> _Decay:
    """One decay per key channel: D is built by halves, so that every exponent is a sum of decays and none is positive.

    In a block of 2 S tokens, D from token j of the first half to token i of the second is (from the middle to i) times (from
    j to the middle). Blocks double until they are the chunk.
    """
    from_start, to_end = log_decay, torch.zeros_like(log_decay)
    halves: list[tuple[Tensor, Tensor]] = []
    for size in _doublings(log_decay.shape[-2]):
        first, second = torch.unflatten(from_start, -2, (-1, 2, size)).unbind(-3)
        first_end, second_end = torch.unflatten(to_end, -2, (-1, 2, size)).unbind(-3)
        halves.append((second.exp(), first_end.exp()))
        from_start = torch.cat([first, second + first[..., -1:, :]], dim=-2).flatten(-3, -2)
        to_end = torch.cat([first_end + second[..., -1:, :], second_end], dim=-2).flatten(-3, -2)
    whole = from_start[..., -1, :, None].exp()
    return _Decay(from_start.exp(), to_end.exp(), whole, lambda x, y: _scores_by_halves(x, y, halves))


def _scores_by_halves(x: Tensor, y: Tensor, halves: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The lower triangle of sum_K x_i D_ij y_j: blocks on the diagonal grow from 1 x 1 to C x C."""
    blocks = (x * y).sum(-1)[..., None, None]
    for size, (from_middle, to_middle) in zip(_doublings(x.shape[-2]), halves, strict=True):
        x_second = torch.unflatten(x, -2, (-1, 2, size))[..., 1, :, :] * from_middle
        y_first = torch.unflatten(y, -2, (-1, 2, size))[..., 0, :, :] * to_middle
        above, below = torch.unflatten(blocks, -3, (-1, 2)).unbind(-3)
        blocks = torch.cat([F.pad(above, (0, size)), torch.cat([x_second @ y_first.mT, below], dim=-1)], dim=-2)
    return blocks[..., 0, :, :]


def _doublings(chunk: int) -> list[int]:
    """1, 2, 4 .. below `chunk`, a power of two."""
    return [1 << level for level in range(chunk.bit_length() - 1)]


def _add_states(updates: Tensor, decay: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The state that enters each chunk, and the last one, when what a chunk writes does not depend on the state."""
    states = []
    for update, chunk_decay in zip(updates.unbind(1), decay.unbind(1), strict=True):
        states.append(state)
        state = torch.addcmul(update, chunk_decay, state)
    return torch.stack(states, dim=1), state


def _delta_states(
    k: Tensor, v: Tensor, beta: Tensor, k_start: Tensor, k_end: Tensor, decay: _Decay, state: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The states that enter the chunks, what the chunks write, and the last state, under the delta rule.

    The triangular system is solved for both parts of its right side at once: W = W_v - W_k H.
    """
    system = beta * decay.scores(k, k).tril(-1)
    right_side = beta * torch.cat([v, k_start.expand(*v.shape[:-1], -1)], dim=-1)
    solved = torch.linalg.solve_triangular(system, right_side, upper=False, unitriangular=True)
    write_v, write_k = solved.split([v.shape[-1], k.shape[-1]], dim=-1)
    k_end = k_end.expand(*v.shape[:-1], -1)
    states, writes = [], []
    chunks = zip(write_v.unbind(1), write_k.unbind(1), k_end.mT.unbind(1), decay.whole.unbind(1), strict=True)
    for chunk_v, chunk_k, chunk_end, chunk_decay in chunks:
        states.append(state)
        writes.append(chunk_v - chunk_k @ state)
        state = torch.addcmul(chunk_end @ writes[-1], chunk_decay, state)
    return torch.stack(states, dim=1), torch.stack(writes, dim=1), state
