"""Causal attention through a latent: keys and values are linear in one cached vector for each token (arXiv 2405.04434).

    [k_n; v]_jh = W_h c_j     score_tjh = (q_n^T k_njh + q_r^T r_j) / sqrt(E)     o_th = sum_j softmax_j(score_tjh) v_jh, j <= t

The cache of token j is [c_j; r_j], the latent and a key part that the heads share. Letters: B batch, T queries, S cached
tokens, H heads, R latent size, P shared size, C = R + P, N channels of q_n, E = N + P, V channels of a value, X = N + V.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose


def latent_attention(q_BTHE: Tensor, cache_BSC: Tensor, expand_HXR: Tensor) -> Tensor:
    """Outputs [B, T, H, V]; the queries belong to the last T of the S cached tokens.

    Raises ValueError for shapes that do not fit.
    """
    T, H, E = q_BTHE.shape[1:]
    n_shared = cache_BSC.shape[-1] - expand_HXR.shape[-1]
    if expand_HXR.shape[0] != H or not 0 <= n_shared < E or expand_HXR.shape[1] <= E - n_shared or cache_BSC.shape[1] < T:
        raise ValueError(
            f"q {[*q_BTHE.shape]}, cache {[*cache_BSC.shape]} and expand {[*expand_HXR.shape]} must be [B, T, H, N + P],"
            " [B, S, R + P] and [H, N + V, R], S at least T"
        )
    form = choose(
        {"reference": latent_attention_reference, "absorbed": latent_attention_absorbed, "fused": latent_attention_fused}
    )
    return form(q_BTHE, cache_BSC, expand_HXR)


def latent_attention_reference(q_BTHE: Tensor, cache_BSC: Tensor, expand_HXR: Tensor) -> Tensor:
    """The definition: every key and value, and the whole score matrix."""
    k_BHSE, v_BHSV = _keys_and_values(q_BTHE, cache_BSC, expand_HXR)
    scores_BHTS = q_BTHE.transpose(1, 2) @ k_BHSE.mT / math.sqrt(q_BTHE.shape[-1])
    weights_BHTS = scores_BHTS.masked_fill(_hidden(q_BTHE, cache_BSC), float("-inf")).softmax(dim=-1)
    return (weights_BHTS @ v_BHSV).transpose(1, 2)


def latent_attention_absorbed(q_BTHE: Tensor, cache_BSC: Tensor, expand_HXR: Tensor) -> Tensor:
    """No key or value is ever made: q_n^T (W c) = (W^T q_n)^T c, and the mean of W c is W times the mean of c.

    Few multiplications for a query after many tokens, as in decoding.
    """
    (B, T, H, E), (S, C), R = q_BTHE.shape, cache_BSC.shape[1:], expand_HXR.shape[-1]
    q_n, q_r = torch.split(q_BTHE, [E - (C - R), C - R], dim=-1)
    w_k, w_v = torch.split(expand_HXR, [q_n.shape[-1], expand_HXR.shape[1] - q_n.shape[-1]], dim=1)
    absorbed_BTHC = torch.cat([torch.einsum("bthn,hnr->bthr", q_n, w_k), q_r], dim=-1)
    scores_BTHS = (absorbed_BTHC.flatten(1, 2) @ cache_BSC.mT).view(B, T, H, S) / math.sqrt(E)
    weights_BTHS = scores_BTHS.masked_fill(_hidden(q_BTHE, cache_BSC)[:, None], float("-inf")).softmax(dim=-1)
    mean_BTHR = (weights_BTHS.flatten(1, 2) @ cache_BSC[..., :R]).view(B, T, H, R)
    return torch.einsum("bthr,hvr->bthv", mean_BTHR, w_v)


def latent_attention_fused(q_BTHE: Tensor, cache_BSC: Tensor, expand_HXR: Tensor) -> Tensor:
    """torch's fused attention on expanded keys and values for a whole sequence; for one token, or after others, absorbed."""
    T = q_BTHE.shape[1]
    if T == 1 or cache_BSC.shape[1] > T:
        return latent_attention_absorbed(q_BTHE, cache_BSC, expand_HXR)
    E, (k_BHSE, v_BHSV) = q_BTHE.shape[-1], _keys_and_values(q_BTHE, cache_BSC, expand_HXR)
    # its fast forms want queries, keys and values of one size: zeros add nothing
    size = max(E, v_BHSV.shape[-1])
    q, k, v = (F.pad(x, (0, size - x.shape[-1])) for x in (q_BTHE.transpose(1, 2), k_BHSE, v_BHSV))
    out_BHTV = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1 / math.sqrt(E))[..., : v_BHSV.shape[-1]]
    return out_BHTV.transpose(1, 2)


def _keys_and_values(q_BTHE: Tensor, cache_BSC: Tensor, expand_HXR: Tensor) -> tuple[Tensor, Tensor]:
    """Keys [B, H, S, E] and values [B, H, S, V]."""
    (H, X, R), n_shared = expand_HXR.shape, cache_BSC.shape[-1] - expand_HXR.shape[-1]
    latent_BSR, shared_BSP = torch.split(cache_BSC, [R, n_shared], dim=-1)
    expanded = torch.unflatten(latent_BSR @ expand_HXR.flatten(0, 1).mT, -1, (H, X)).transpose(1, 2)
    n_own = q_BTHE.shape[-1] - n_shared
    k_n, v = torch.split(expanded, [n_own, X - n_own], dim=-1)
    return torch.cat([k_n, shared_BSP[:, None].expand(-1, H, -1, -1)], dim=-1), v


def _hidden(q_BTHE: Tensor, cache_BSC: Tensor) -> Tensor:
    """Which cached tokens are later than each query, [T, S]."""
    T, S = q_BTHE.shape[1], cache_BSC.shape[1]
    token_S = torch.arange(S, device=q_BTHE.device)
    return token_S > token_S[S - T :, None]
