"""Causal softmax attention with shared key/value heads and, optionally, a sliding window.

    o_t = sum_j softmax_j(q_t^T k_j / sqrt(D)) v_j   over the keys with 0 <= t - j (< window)

arXiv 1706.03762, 2305.13245, 2004.05150. Letters: B batch, T queries, S keys, H heads, G key/value heads,
D head size, N blocks of W tokens. Head h reads key/value head h // (H / G).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose


def attention(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, window: int | None = None) -> Tensor:
    """Attention outputs [B, T, H, D]; the queries belong to the last T of the S tokens that have keys and values.

    Raises ValueError for shapes that do not fit or a window below 1.
    """
    B, T, H, D = q_BTHD.shape
    S, G = k_BSGD.shape[1:3]
    if k_BSGD.shape != (B, S, G, D) or v_BSGD.shape != k_BSGD.shape or H % G or S < T:
        raise ValueError(
            f"k {[*k_BSGD.shape]} and v {[*v_BSGD.shape]} must be [{B}, S, G, {D}], S at least {T} and G dividing {H}"
        )
    if window is not None and window < 1:
        raise ValueError(f"window {window} must be at least 1")
    form = choose({"reference": attention_reference, "fused": attention_fused})
    return form(q_BTHD, k_BSGD, v_BSGD, window)


def attention_reference(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, window: int | None) -> Tensor:
    """The definition, with the whole score matrix."""
    (T, H, D), S = q_BTHD.shape[1:], k_BSGD.shape[1]
    q_BHTD = q_BTHD.transpose(1, 2)
    k_BHSD, v_BHSD = (x.repeat_interleave(H // x.shape[2], dim=2).transpose(1, 2) for x in (k_BSGD, v_BSGD))
    token_S = torch.arange(S, device=q_BTHD.device)
    distance_TS = token_S[S - T :, None] - token_S
    visible_TS = (distance_TS >= 0) & (distance_TS < (window or S))
    scores_BHTS = q_BHTD @ k_BHSD.mT / math.sqrt(D)
    weights_BHTS = scores_BHTS.masked_fill(~visible_TS, float("-inf")).softmax(dim=-1)
    return (weights_BHTS @ v_BHSD).transpose(1, 2)


def attention_fused(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, window: int | None) -> Tensor:
    """torch's fused attention over a whole sequence; a window shorter than it runs as a band of blocks, linear in T.

    One token, or tokens after others, run the definition: that is decoding, where there is no score matrix to avoid.
    """
    T = q_BTHD.shape[1]
    if T == 1 or k_BSGD.shape[1] > T:
        return attention_reference(q_BTHD, k_BSGD, v_BSGD, window)
    if window is not None and window < T:
        return _banded(q_BTHD, k_BSGD, v_BSGD, window)
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BSGD, v_BSGD))
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
