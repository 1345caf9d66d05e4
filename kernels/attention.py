"""Causal softmax attention with shared key/value heads: windows, sparse patterns, capped logits, and sinks.

    o_t = sum_j softmax_j(cap(q_t^T k_j / sqrt(D))) v_j      cap(x) = c tanh(x / c)

over the keys that `kernels.visibility` says token t sees; a sink adds exp(s_h) to the softmax's denominator. arXiv 1706.03762,
2305.13245, 2004.05150, 2408.00118 (cap). Letters: B batch, T queries, S keys, H heads, G key/value heads, D head size, N blocks
of W tokens. Head h reads key/value head h // (H / G).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose
from kernels.visibility import Visibility, Window

EVERYTHING = Window()
TILE = 64
"""Queries whose scores exist at once where attention is not fused: few enough for the processor's cache."""


@dataclass(frozen=True)
class Softmax:
    """What happens between products and weights: a cap on logits, and a sink's logit for each head."""

    soft_cap: float | None = None
    sink_H: Tensor | None = None

    def weights(self, scores_BHTS: Tensor, visible: Tensor | None) -> Tensor:
        """The weights [B, H, T, S], zero where not visible; without `visible` everything is."""
        if self.soft_cap is not None:
            scores_BHTS = self.soft_cap * torch.tanh(scores_BHTS / self.soft_cap)
        if visible is not None:
            scores_BHTS = scores_BHTS.masked_fill(~visible, float("-inf"))
        if self.sink_H is None:
            return scores_BHTS.softmax(dim=-1)
        sink_BHT1 = self.sink_H.to(scores_BHTS.dtype)[:, None, None].expand(*scores_BHTS.shape[:3], 1)
        return torch.cat([scores_BHTS, sink_BHT1], dim=-1).softmax(dim=-1)[..., :-1]


PLAIN = Softmax()


def attention(
    q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, visibility: Visibility = EVERYTHING, softmax: Softmax = PLAIN
) -> Tensor:
    """Attention outputs [B, T, H, D]; the queries belong to the last T of the S tokens that have keys and values.

    Raises ValueError for shapes that do not fit.
    """
    B, T, H, D = q_BTHD.shape
    S, G = k_BSGD.shape[1:3]
    if k_BSGD.shape != (B, S, G, D) or v_BSGD.shape != k_BSGD.shape or H % G or S < T:
        raise ValueError(
            f"k {[*k_BSGD.shape]} and v {[*v_BSGD.shape]} must be [{B}, S, G, {D}], S at least {T} and G dividing {H}"
        )
    form = choose({"reference": attention_reference, "fused": attention_fused})
    return form(q_BTHD, k_BSGD, v_BSGD, visibility, softmax)


def attention_reference(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, visibility: Visibility, softmax: Softmax) -> Tensor:
    """The definition, with the whole score matrix."""
    return _weighed(q_BTHD, k_BSGD, v_BSGD, _mask(visibility, q_BTHD.shape[1], k_BSGD), softmax)


def attention_fused(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, visibility: Visibility, softmax: Softmax) -> Tensor:
    """torch's fused attention over a whole sequence; a window shorter than it runs as a band of blocks, linear in T.

    Fused attention cannot cap logits: then scores are made for some queries at a time. One token reads the keys it sees and no
    others. Several tokens after others run the definition.
    """
    T, S = q_BTHD.shape[1], k_BSGD.shape[1]
    if T == 1:
        k_BSGD, v_BSGD = (_seen_by_last(x, visibility) for x in (k_BSGD, v_BSGD))
        return _weighed(q_BTHD, k_BSGD, v_BSGD, None, softmax)
    if S > T:
        return attention_reference(q_BTHD, k_BSGD, v_BSGD, visibility, softmax)
    if softmax.soft_cap is not None:
        return _tiled(q_BTHD, k_BSGD, v_BSGD, visibility, softmax)
    if not isinstance(visibility, Window) or visibility.n_global:
        return _sdpa(q_BTHD, k_BSGD, v_BSGD, _mask(visibility, T, k_BSGD), softmax.sink_H)
    if visibility.size is not None and visibility.size < T:
        return _banded(q_BTHD, k_BSGD, v_BSGD, visibility.size, softmax.sink_H)
    return _sdpa(q_BTHD, k_BSGD, v_BSGD, None, softmax.sink_H)


def _window(visibility: Visibility, n_tokens: int) -> int | None:
    """How many of `n_tokens` a token sees at most, itself and those right before it; None where it sees others too."""
    return visibility.size or n_tokens if isinstance(visibility, Window) and not visibility.n_global else None


def _mask(visibility: Visibility, n_queries: int, k_BSGD: Tensor) -> Tensor:
    """Which of the S keys the last queries see, [T, S]."""
    place_S = torch.arange(k_BSGD.shape[1], device=k_BSGD.device)
    return visibility.mask(place_S[place_S.shape[0] - n_queries :], place_S)


def _seen_by_last(x_BSGD: Tensor, visibility: Visibility) -> Tensor:
    places = visibility.last(x_BSGD.shape[1], x_BSGD.device)
    return x_BSGD if places is None else x_BSGD.index_select(1, places)


def _weighed(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, visible: Tensor | None, softmax: Softmax) -> Tensor:
    """By the whole score matrix."""
    H, D = q_BTHD.shape[2:]
    k_BHSD, v_BHSD = (x.repeat_interleave(H // x.shape[2], dim=2).transpose(1, 2) for x in (k_BSGD, v_BSGD))
    scores_BHTS = (q_BTHD / math.sqrt(D)).transpose(1, 2) @ k_BHSD.mT
    return (softmax.weights(scores_BHTS, visible) @ v_BHSD).transpose(1, 2)


def _tiled(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, visibility: Visibility, softmax: Softmax) -> Tensor:
    """By the score matrix, some queries after others, without keys that none of them sees."""
    T = q_BTHD.shape[1]
    n_before, place_T = (_window(visibility, T) or T) - 1, torch.arange(T, device=q_BTHD.device)
    tiles = []
    for start in range(0, T, TILE):
        keys = slice(max(0, start - n_before), start + TILE)
        q, visible = q_BTHD[:, start : keys.stop], visibility.mask(place_T[start : keys.stop], place_T[keys])
        tiles.append(_weighed(q, k_BTGD[:, keys], v_BTGD[:, keys], visible, softmax))
    return torch.cat(tiles, dim=1)


def _sdpa(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, visible: Tensor | None, sink_H: Tensor | None) -> Tensor:
    """Without a mask, causal."""
    D = q_BTHD.shape[-1]
    if sink_H is not None:
        q_BTHD, k_BSGD, v_BSGD = _with_sink(q_BTHD, k_BSGD, v_BSGD, sink_H)
        visible = None if visible is None else F.pad(visible, (1, 0, 1, 0), value=True)
    q, k, v = (x.transpose(1, 2) for x in (q_BTHD, k_BSGD, v_BSGD))
    causal = visible is None
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, is_causal=causal, scale=D**-0.5, enable_gqa=True)
    return out.transpose(1, 2) if sink_H is None else out.transpose(1, 2)[:, 1:, :, :D]


def _with_sink(q_BTHD: Tensor, k_BSGD: Tensor, v_BSGD: Tensor, sink_H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A first key, without a value, that gives head h the logit s_h: it alone has a 1 in a channel where queries have s_h.

    A first query, whose output means nothing, keeps the causal diagonal where it was.
    """
    (B, T, _, D), G = q_BTHD.shape, k_BSGD.shape[2]
    logit_BTH1 = (math.sqrt(D) * sink_H).to(q_BTHD.dtype)[:, None].expand(B, T, -1, 1)
    sink_B1GD = F.pad(k_BSGD.new_ones(B, 1, G, 1), (D, 0))
    q = F.pad(torch.cat([q_BTHD, logit_BTH1], dim=-1), (0, 0, 0, 0, 1, 0))
    return q, torch.cat([sink_B1GD, F.pad(k_BSGD, (0, 1))], dim=1), F.pad(v_BSGD, (0, 1, 0, 0, 1, 0))


def _banded(q_BTHD: Tensor, k_BTGD: Tensor, v_BTGD: Tensor, window: int, sink_H: Tensor | None) -> Tensor:
    """Queries of a block of `window` tokens see keys of their own block and the one before it."""
    B, T, H, D = q_BTHD.shape
    q = _blocks(q_BTHD, window)
    k, v = (_with_previous_block(_blocks(x, window)) for x in (k_BTGD, v_BTGD))
    visible_NWS = _band(q.shape[1], window, q.device)
    mask = visible_NWS.expand(B, -1, -1, -1).flatten(0, 1)[:, None]
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    return _sdpa(q, k, v, mask, sink_H).reshape(B, -1, H, D)[:, :T]


def _blocks(x_BTHD: Tensor, window: int) -> Tensor:
    """[B, T, H, D] to [B, N, W, H, D], the last block filled with zeros."""
    return torch.unflatten(F.pad(x_BTHD, (0, 0, 0, 0, 0, -x_BTHD.shape[1] % window)), 1, (-1, window))


def _with_previous_block(x_BNWHD: Tensor) -> Tensor:
    """[B, N, W, H, D] to [B, N, 2 W, H, D]: the block before (zeros before the first), then the block."""
    previous = F.pad(x_BNWHD, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1]
    return torch.cat([previous, x_BNWHD], dim=2)


def _band(n_blocks: int, window: int, device: torch.device) -> Tensor:
    """Which of the 2 W keys each query of each block sees, [N, W, 2 W]. Every query sees its own key at least."""
    key_S = torch.arange(2 * window, device=device)
    exists_NS = (torch.arange(n_blocks, device=device)[:, None] > 0) | (key_S >= window)
    return Window(window).mask(key_S[window:], key_S) & exists_NS[:, None, :]
