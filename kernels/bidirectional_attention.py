"""Softmax attention without a mask, with shared key/value heads (arXiv 1706.03762, 2305.13245).

    o_t = sum_s softmax_s(q_t^T k_s / sqrt(D)) v_s   over all keys

Letters: B batch, T queries, S keys, H heads, G key/value heads, D head size. Head h reads key/value head h // (H / G).
"""

import math

import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose


def bidirectional_attention(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor) -> Tensor:
    """Attention outputs [B, T, H, D]. Raises ValueError for shapes that do not fit."""
    B, _, H, D = q_BTHD.shape
    S, G = k_BSGD.shape[1:3]
    if k_BSGD.shape != (B, S, G, D) or v_BSGD.shape != k_BSGD.shape or H % G:
        raise ValueError(f"k {[*k_BSGD.shape]} and v {[*v_BSGD.shape]} must be [{B}, S, G, {D}], G dividing {H}")
    form = choose({"reference": bidirectional_attention_reference, "fused": bidirectional_attention_fused})
    return form(q_BTHD, k_BSGD, v_BSGD)


def bidirectional_attention_reference(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor) -> Tensor:
    """The definition, with the whole score matrix."""
    H, D = q_BTHD.shape[2:]
    k_BHSD, v_BHSD = (x.repeat_interleave(H // x.shape[2], dim=2).transpose(1, 2) for x in (k_BSGD, v_BSGD))
    weights_BHTS = (q_BTHD.transpose(1, 2) @ k_BHSD.mT / math.sqrt(D)).softmax(dim=-1)
    return (weights_BHTS @ v_BHSD).transpose(1, 2)


def bidirectional_attention_fused(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor) -> Tensor:
    """torch's fused attention."""
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BSGD, v_BSGD))
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2)
