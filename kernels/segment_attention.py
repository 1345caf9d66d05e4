"""Attention within segments and to a memory before each, with relative positions (Transformer-XL, arXiv 1901.02860).

    score_ts = (a_t^T k_s + b_t^T r_{t - s}) / sqrt(D)      o_t = sum_s softmax_s(score_ts) v_s

over s <= t in the segment of t, and over the `memory` tokens before the segment, whose keys and values may differ from those
that their own segment sees. Letters: B batch, T tokens, S keys, H heads, D head size, E size of position keys, G their heads
(H, or 1 that all share), N segments.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose

BASE = 10_000.0


def sinusoids(positions_S: Tensor, size: int) -> Tensor:
    """Sines, then cosines, of every position at (size + 1) // 2 frequencies: [S, size] float32."""
    frequencies = BASE ** -(torch.arange(0, size, 2, device=positions_S.device, dtype=torch.float32) / size)
    angles = positions_S.to(torch.float32)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :size]


def segment_attention(
    content_q_BTHD: Tensor,
    position_q_BTHE: Tensor,
    own: tuple[Tensor, Tensor],
    remembered: tuple[Tensor, Tensor],
    position_k_SGE: Tensor,
    segment: int,
    memory: int,
) -> Tensor:
    """Outputs [B, T, H, D] for a whole sequence.

    `own` and `remembered` are the keys and values [B, T, H, D] that tokens show to their segment, and to later ones.
    `position_k_SGE` holds the keys of distances 0, 1, ... up to the largest that is seen: `reach(T, segment, memory)` in all.
    Raises ValueError for shapes that do not fit.
    """
    T = content_q_BTHD.shape[1]
    shapes = [x.shape for x in (*own, *remembered)]
    if any(shape != content_q_BTHD.shape for shape in shapes) or position_k_SGE.shape[0] != reach(T, segment, memory):
        raise ValueError(
            f"queries, keys and values must have one shape, not {[content_q_BTHD.shape, *shapes]}; position keys"
            f" {[*position_k_SGE.shape]} must be for {reach(T, segment, memory)} distances"
        )
    form = choose({"reference": segment_attention_reference, "banded": segment_attention_banded})
    return form(content_q_BTHD, position_q_BTHE, own, remembered, position_k_SGE, segment, memory)


def reach(n_tokens: int, segment: int, memory: int) -> int:
    """How many distances, 0 included, occur between a token and what it sees, in a sequence of `n_tokens`."""
    n_before = (n_tokens - 1) // segment * segment
    return min(n_tokens, segment) + min(memory, n_before)


def segment_attention_reference(
    content_q_BTHD: Tensor,
    position_q_BTHE: Tensor,
    own: tuple[Tensor, Tensor],
    remembered: tuple[Tensor, Tensor],
    position_k_SGE: Tensor,
    segment: int,
    memory: int,
) -> Tensor:
    """The definition, with whole score matrices."""
    T, D = content_q_BTHD.shape[1], content_q_BTHD.shape[-1]
    token_T = torch.arange(T, device=content_q_BTHD.device)
    distance_TS, start_T1 = token_T[:, None] - token_T, token_T[:, None] // segment * segment
    in_segment_TS = (token_T >= start_T1) & (distance_TS >= 0)
    in_memory_TS = (token_T < start_T1) & (token_T >= start_T1 - memory)
    own_BHTS, remembered_BHTS = (torch.einsum("bthd,bshd->bhts", content_q_BTHD, keys) for keys, _ in (own, remembered))
    position_k_TSGE = position_k_SGE[distance_TS.clamp(0, len(position_k_SGE) - 1)].expand(-1, -1, content_q_BTHD.shape[2], -1)
    positions_BHTS = torch.einsum("bthe,tshe->bhts", position_q_BTHE, position_k_TSGE)
    scores = (torch.where(in_segment_TS, own_BHTS, remembered_BHTS) + positions_BHTS) / math.sqrt(D)
    weights = scores.masked_fill(~(in_segment_TS | in_memory_TS), float("-inf")).softmax(dim=-1)
    parts = ((weights * in_segment_TS, own[1]), (weights * in_memory_TS, remembered[1]))
    return sum((torch.einsum("bhts,bshd->bthd", w, values) for w, values in parts), torch.zeros_like(content_q_BTHD))


def segment_attention_banded(
    content_q_BTHD: Tensor,
    position_q_BTHE: Tensor,
    own: tuple[Tensor, Tensor],
    remembered: tuple[Tensor, Tensor],
    position_k_SGE: Tensor,
    segment: int,
    memory: int,
) -> Tensor:
    """All segments at once, each with its own window of keys: linear in T."""
    B, T = content_q_BTHD.shape[:2]
    segment = min(segment, T)
    memory = len(position_k_SGE) - segment
    content_q, position_q = (_segments(x, segment) for x in (content_q_BTHD, position_q_BTHE))
    k, v = (
        torch.cat([_before_each_segment(before, segment, memory), _segments(x, segment)], dim=2).flatten(0, 1)
        for x, before in zip(own, remembered, strict=True)
    )
    start_N11 = torch.arange(content_q.shape[1], device=k.device)[:, None, None] * segment
    exists_N1S = torch.arange(-memory, segment, device=k.device) + start_N11 >= 0
    absent = ~exists_N1S.expand(B, -1, segment, -1).flatten(0, 1)[:, None]
    out = relative_attention(content_q.flatten(0, 1), position_q.flatten(0, 1), k, v, position_k_SGE, absent)
    return torch.unflatten(out, 0, (B, -1)).flatten(1, 2)[:, :T]


def relative_attention(
    content_q_BTHD: Tensor,
    position_q_BTHE: Tensor,
    k_BSHD: Tensor,
    v_BSHD: Tensor,
    position_k_SGE: Tensor,
    absent: Tensor | None = None,
) -> Tensor:
    """Outputs [B, T, H, D] for the last T of S tokens, which see all tokens up to themselves but those that are `absent`.

    `absent` is boolean and broadcasts to [B, H, T, S].
    """
    T, S = content_q_BTHD.shape[1], k_BSHD.shape[1]
    k_BHDS, v_BHSD = k_BSHD.permute(0, 2, 3, 1), v_BSHD.transpose(1, 2)
    # the farthest distance first, as keys are
    position_k_GES = position_k_SGE.flip(0).permute(1, 2, 0)
    position_BHTS = _by_key(position_q_BTHE.transpose(1, 2) @ position_k_GES)
    scores_BHTS = (content_q_BTHD.transpose(1, 2) @ k_BHDS + position_BHTS) / math.sqrt(content_q_BTHD.shape[-1])
    token_S = torch.arange(S, device=k_BSHD.device)
    hidden = token_S > token_S[S - T :, None]
    if absent is not None:
        hidden = hidden | absent
    weights_BHTS = scores_BHTS.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    return (weights_BHTS @ v_BHSD).transpose(1, 2)


def _by_key(scores_BHTS: Tensor) -> Tensor:
    """From scores by distance, S - 1 first, to scores by key: row t moves left by T - 1 - t. Later keys get any number."""
    B, H, T, S = scores_BHTS.shape
    # a column in front makes rows of S + 1; read as rows of S from the T-th number on, each row starts one place later
    return F.pad(scores_BHTS, (1, 0)).view(B, H, S + 1, T)[:, :, 1:].reshape(B, H, T, S)


def _segments(x_BTHD: Tensor, segment: int) -> Tensor:
    """[B, T, H, D] to [B, N, segment, H, D], the last filled with zeros."""
    return torch.unflatten(F.pad(x_BTHD, (0, 0, 0, 0, 0, -x_BTHD.shape[1] % segment)), 1, (-1, segment))


def _before_each_segment(x_BTHD: Tensor, segment: int, memory: int) -> Tensor:
    """The `memory` tokens before each segment, zeros before the first token: [B, N, memory, H, D]."""
    n_segments = -(-x_BTHD.shape[1] // segment)
    if memory == 0:
        return x_BTHD[:, None, :0].expand(-1, n_segments, -1, -1, -1)
    end = (n_segments - 1) * segment
    padded = F.pad(x_BTHD[:, :end], (0, 0, 0, 0, memory, 0))
    return padded.unfold(1, memory, segment).permute(0, 1, 4, 2, 3)
