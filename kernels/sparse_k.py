"""SPARSEK: attention to a window and to the best-scored tokens before it, with gates that train the scores (arXiv 2406.16747).

Of the tokens that have left query t's window, each key/value head keeps the K with the largest scores u; among equals the
earlier. Their keys and values are multiplied by p = clip(u - tau, 0, 1), tau such that the gates of the K + 1 best sum to K;
while there are at most K the gates are 1. A token that is not among the best never is again: a cache of K + W tokens is enough.
Letters: B batch, T queries, S keys, H heads, G key/value heads, R = H / G, D head size, K kept, W window.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.attention import PLAIN, TILE, Softmax
from kernels.dispatch import choose


def sparse_k_attention(
    q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, u_BSG: Tensor, top_k: int, window: int, softmax: Softmax = PLAIN
) -> Tensor:
    """Attention outputs [B, T, H, D]; the queries belong to the last T of the S tokens, which are in order.

    Tokens may be missing before the window of the first query, if they are not among its `top_k + 1` best.
    Raises ValueError for shapes that do not fit.
    """
    (B, T, H, D), (S, G) = q_BTHD.shape, k_BSGD.shape[1:3]
    if k_BSGD.shape != (B, S, G, D) or v_BSGD.shape != k_BSGD.shape or u_BSG.shape != (B, S, G) or H % G or S < T:
        raise ValueError(f"k {[*k_BSGD.shape]}, v {[*v_BSGD.shape]} and u {[*u_BSG.shape]} do not fit q {[*q_BTHD.shape]}")
    form = choose({"reference": sparse_k_reference, "gathered": sparse_k_gathered})
    return form(q_BTHD, k_BSGD, v_BSGD, u_BSG, top_k, window, softmax)


def sparse_k_reference(
    q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, u_BSG: Tensor, top_k: int, window: int, softmax: Softmax
) -> Tensor:
    """The definition, with whole matrices of gates and scores [B, G, R, T, S]."""
    (T, H, D), (S, G) = q_BTHD.shape[1:], k_BSGD.shape[1:3]
    places_BGTK, gates_BGTK, chosen_BGTK = _best(u_BSG, T, top_k, window)
    gates_BGTS = _spread(gates_BGTK, places_BGTK, S)
    age_TS = torch.arange(S - T, S, device=u_BSG.device)[:, None] - torch.arange(S, device=u_BSG.device)
    near_TS = (age_TS >= 0) & (age_TS < window)
    visible_BGTS = near_TS | (_spread(chosen_BGTK.to(u_BSG.dtype), places_BGTK, S) > 0)
    gates_BHTS, visible_BHTS = (
        x.repeat_interleave(H // G, dim=1) for x in (torch.where(near_TS, 1.0, gates_BGTS), visible_BGTS)
    )
    k_BHSD, v_BHSD = (x.repeat_interleave(H // G, dim=2).transpose(1, 2) for x in (k_BSGD, v_BSGD))
    scores_BHTS = gates_BHTS * ((q_BTHD / math.sqrt(D)).transpose(1, 2) @ k_BHSD.mT)
    return ((softmax.weights(scores_BHTS, visible_BHTS) * gates_BHTS) @ v_BHSD).transpose(1, 2)


def sparse_k_gathered(
    q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, u_BSG: Tensor, top_k: int, window: int, softmax: Softmax
) -> Tensor:
    """The same for some queries at a time; one token reads only the keys and values it sees."""
    (T, H, D), (S, G) = q_BTHD.shape[1:], k_BSGD.shape[1:3]
    if T > 1:
        tiles = []
        for start in range(0, T, TILE):
            q, n_keys = q_BTHD[:, start : start + TILE], S - T + min(start + TILE, T)
            k, v, u = (x[:, :n_keys] for x in (k_BSGD, v_BSGD, u_BSG))
            tiles.append(sparse_k_reference(q, k, v, u, top_k, window, softmax))
        return torch.cat(tiles, dim=1)
    n_far = max(0, S - window)
    places_BGTK, gates_BGTK, _ = _best(u_BSG, 1, top_k, window)
    n_kept = min(top_k, n_far)
    places_BKG, gates_BKG1 = places_BGTK[:, :, 0, :n_kept].mT, gates_BGTK[:, :, 0, :n_kept].mT[..., None]
    k, v = (torch.cat([gates_BKG1 * at_places(x, places_BKG), x[:, n_far:]], dim=1) for x in (k_BSGD, v_BSGD))
    q_BGRD = torch.unflatten(q_BTHD[:, 0] / math.sqrt(D), 1, (G, H // G))
    scores_BGRS = q_BGRD @ k.permute(0, 2, 3, 1)
    weights_BHTS = softmax.weights(scores_BGRS.flatten(1, 2)[:, :, None], None)
    return (torch.unflatten(weights_BHTS[:, :, 0], 1, (G, H // G)) @ v.transpose(1, 2)).flatten(1, 2)[:, None]


def still_needed(u_BSG: Tensor, top_k: int, window: int) -> Tensor | None:
    """The places [B, K + W, G], rising, that a later token may still read: the window without its oldest token, and the
    `top_k + 1` best before it. None while those are all."""
    n_far = u_BSG.shape[1] - (window - 1)
    if n_far <= top_k + 1:
        return None
    far_BKG = _ranks(u_BSG[:, :n_far].mT).argsort(dim=-1)[..., : top_k + 1].sort(dim=-1).values.mT
    near_W = torch.arange(n_far, u_BSG.shape[1], device=u_BSG.device)
    return torch.cat([far_BKG, near_W[None, :, None].expand(len(u_BSG), -1, u_BSG.shape[2])], dim=1)


def at_places(x: Tensor, places_BKG: Tensor) -> Tensor:
    """x [B, S, G] or [B, S, G, D] at places of its own for each head."""
    return x.gather(1, places_BKG if x.dim() == 3 else places_BKG[..., None].expand(-1, -1, -1, x.shape[-1]))


def gates(u: Tensor) -> Tensor:
    """p = clip(u - tau, 0, 1) along the last axis of K + 1 scores, tau such that they sum to K.

    What is missing, 1 - p, sums to 1 and is the Euclidean projection of -u onto the simplex (sparsemax, arXiv 1602.02068).
    """
    # from the greatest, which a shift of all scores does not move: 1 must count beside scores of any size
    below = u.detach().amin(dim=-1, keepdim=True) - u
    missing = below.sort(dim=-1, descending=True).values
    rank = torch.arange(1, u.shape[-1] + 1, device=u.device)
    sums = missing.cumsum(dim=-1)
    # at least 1 but for NaN
    n_partial = (1 + rank * missing > sums).sum(dim=-1, keepdim=True).clamp(min=1)
    threshold = (sums.gather(-1, n_partial - 1) - 1) / n_partial
    return 1 - (below - threshold).clamp(min=0)


def _best(u_BSG: Tensor, n_queries: int, top_k: int, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best K tokens before each query's window, best first: places, gates, and whether there is one; [B, G, T, K] each."""
    u_BGS = u_BSG.mT
    S, T = u_BGS.shape[-1], n_queries
    far_TS = torch.arange(S, device=u_BGS.device) <= torch.arange(S - T, S, device=u_BGS.device)[:, None] - window
    # the better the larger, all different, and 0 where a query cannot choose
    worth_BGTS = (S - _ranks(u_BGS))[:, :, None] * far_TS
    worth_BGTK, places_BGTK = F.pad(worth_BGTS, (0, max(0, top_k + 1 - S))).topk(top_k + 1, dim=-1)
    u_BGTK = F.pad(u_BGS, (0, max(0, top_k + 1 - S)))[:, :, None].expand(-1, -1, T, -1).gather(-1, places_BGTK)
    exists_BGTK = worth_BGTK > 0
    contested_BGT1 = exists_BGTK[..., -1:]
    p_BGTK = torch.where(contested_BGT1, gates(u_BGTK), exists_BGTK.to(u_BGTK.dtype))
    return places_BGTK[..., :-1], p_BGTK[..., :-1], exists_BGTK[..., :-1]


def _ranks(u_BGS: Tensor) -> Tensor:
    """The place of each score in falling order, from 0; of equals the earlier comes first."""
    return u_BGS.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)


def _spread(x_BGTK: Tensor, places_BGTK: Tensor, n_places: int) -> Tensor:
    """[B, G, T, S]: each row's values at its places, which all differ, and zeros elsewhere."""
    width = n_places + x_BGTK.shape[-1] + 1
    return x_BGTK.new_zeros(*x_BGTK.shape[:3], width).scatter(-1, places_BGTK, x_BGTK)[..., :n_places]
