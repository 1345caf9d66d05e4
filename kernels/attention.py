"""Causal softmax attention with shared key/value heads and, optionally, a sliding window.

    o_t = sum_j softmax_j(q_t^T k_j / sqrt(D)) v_j   over the keys with 0 <= t - j (< window)

arXiv 1706.03762, 2305.13245, 2004.05150. Letters: B batch, T tokens, H heads, G key/value heads, D head size,
N blocks of W tokens. Head h reads key/value head h // (H / G).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose


def attention(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, window: int | None = None) -> Tensor:
    """Attention outputs [B, T, H, D]. Raises ValueError for shapes that do not fit or a window below 1."""
    B, T, H, D = q_BTHD.shape
    G = k_BTGD.shape[2]
    if k_BTGD.shape != (B, T, G, D) or v_BTGD.shape != k_BTGD.shape or H % G:
        raise ValueError(f"k {[*k_BTGD.shape]} and v {[*v_BTGD.shape]} must be [{B}, {T}, G, {D}], G dividing {H}")
    if window is not None and window < 1:
        raise ValueError(f"window {window} must be at least 1")
    form = choose({"reference": attention_reference, "fused": attention_fused})
    return form(q_BTHD, k_BTGD, v_BTGD, window)


def attention_reference(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, window: int | None) -> Tensor:
    """The definition, with the whole score matrix."""
    T, H, D = q_BTHD.shape[1:]
    k_BTHD, v_BTHD = (x.repeat_interleave(H // x.shape[2], dim=2) for x in (k_BTGD, v_BTGD))
    token_T = torch.arange(T, device=q_BTHD.device)
    distance_TT = token_T[:, None] - token_T
    visible_TT = (distance_TT >= 0) & (distance_TT < (window or T))
    scores_BHTT = torch.einsum("bihd,bjhd->bhij", q_BTHD, k_BTHD) * D**-0.5
    weights_BHTT = scores_BHTT.masked_fill(~visible_TT, float("-inf")).softmax(dim=-1)
    return torch.einsum("bhij,bjhd->bihd", weights_BHTT, v_BTHD)


def attention_fused(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, window: int | None) -> Tensor:
    """torch's fused attention; a window shorter than the sequence runs as a band of blocks, linear in T."""
    if window is not None and window < q_BTHD.shape[1]:
        return _banded(q_BTHD, k_BTGD, v_BTGD, window)
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BTGD, v_BTGD))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)


def _banded(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, window: int) -> Tensor:
    """Queries of a block of `window` tokens see keys of their own block and the one before it."""
    B, T, H, D = q_BTHD.shape
    q = _blocks(q_BTHD, window)
    k, v = (_with_previous_block(_blocks(x, window)) for x in (k_BTGD, v_BTGD))
    visible_NWS = _band(q.shape[1], window, q.device)
    mask = visible_NWS.expand(B, -1, -1, -1).flatten(0, 1)[:, None]
    q, k, v = (x.flatten(0, 1).transpose(1, 2) for x in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
    return out.transpose(1, 2).reshape(B, -1, H, D)[:, :T]


def _blocks(x_BTHD: Tensor, window: int) -> Tensor:
    """[B, T, H, D] to [B, N, W, H, D], the last block filled with zeros."""
    return torch.unflatten(F.pad(x_BTHD, (0, 0, 0, 0, 0, -x_BTHD.shape[1] % window)), 1, (-1, window))


def _with_previous_block(x_BNWHD: Tensor) -> Tensor:
    """[B, N, W, H, D] to [B, N, 2 W, H, D]: the block before (zeros before the first), then the block."""
    previous = F.pad(x_BNWHD, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1]
    return torch.cat([previous, x_BNWHD], dim=2)


def _band(n_blocks: int, window: int, device: torch.device) -> Tensor:
    """Which of the 2 W keys each query of each block sees, [N, W, 2 W]. Every query sees its own key at least."""
    query_W = torch.arange(window, device=device) + window
    key_S = torch.arange(2 * window, device=device)
    distance_WS = query_W[:, None] - key_S
    exists_NS = (torch.arange(n_blocks, device=device)[:, None] > 0) | (key_S >= window)
    return ((distance_WS >= 0) & (distance_WS < window)) & exists_NS[:, None, :]


def attend_one(q_BHD: Tensor, k_BGLD: Tensor, v_BGLD: Tensor) -> Tensor:
    """One query per sequence over the L keys that decoding kept: [B, H, D]."""
    q_BGRD = torch.unflatten(q_BHD, 1, (k_BGLD.shape[1], -1))
    scores_BGRL = q_BGRD @ k_BGLD.mT * q_BHD.shape[-1] ** -0.5
    return (scores_BGRL.softmax(dim=-1) @ v_BGLD).flatten(1, 2)
