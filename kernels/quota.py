"""A causal quota: of the tokens so far at most a share, rounded up, is admitted, first come, first served.

    S_t = min(S_{t-1} + wish_t, ceil(share (t + 1)))        admitted_t = S_t - S_{t-1}

S counts the admitted. Mixture-of-Depths (arXiv 2404.02258), Mixture-of-Recursions (2507.10524) and Switch's expert capacity
(2101.03961) choose their tokens from a whole sequence; this rule looks at earlier tokens only, so it can decode.
Letters: B batch, T tokens, ... what is counted apart, such as experts.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from kernels.dispatch import choose

TOLERANCE = 1e-9

Counts = tuple[Tensor, Tensor]
"""The admitted tokens so far [B, ...] and all tokens so far [B], int32."""


def quota(share: float, n_tokens: Tensor) -> Tensor:
    """Tokens admitted at most of the first `n_tokens`: ceil(share * n_tokens), at least 1; int32.

    A product that float64 puts a little above a whole number is that number.
    """
    return torch.ceil(share * n_tokens.double() - TOLERANCE).clamp(min=1).to(torch.int32)


def no_counts(wishes_BT: Tensor) -> Counts:
    """Before the first token, for wishes [B, T, ...]."""
    zeros = wishes_BT.new_zeros(wishes_BT.shape[:1] + wishes_BT.shape[2:], dtype=torch.int32)
    return zeros, wishes_BT.new_zeros(wishes_BT.shape[0], dtype=torch.int32)


def admit(wishes_BT: Tensor, share: float, counts: Counts | None = None) -> tuple[Tensor, Counts]:
    """Which of the tokens that wish to are admitted, bool [B, T, ...] like the wishes, and the counts after them.

    Of the first T tokens at most `quota(share, T)` are. Raises ValueError for a share that is not positive.
    """
    if share <= 0:
        raise ValueError(f"share {share} must be positive")
    n_admitted, n_tokens = no_counts(wishes_BT) if counts is None else counts
    token_T = torch.arange(1, wishes_BT.shape[1] + 1, device=wishes_BT.device)
    seen_BT = n_tokens[:, None] + token_T
    limit_BT = quota(share, seen_BT).view(seen_BT.shape + (1,) * (wishes_BT.dim() - 2))
    form: Callable[[Tensor, Tensor, Tensor], Tensor] = choose({"reference": counted_reference, "parallel": counted_parallel})
    counted_BT = form(wishes_BT.to(torch.int32), limit_BT, n_admitted)
    before_BT = torch.cat([n_admitted[:, None], counted_BT], dim=1)[:, :-1]
    return counted_BT > before_BT, (counted_BT[:, -1], n_tokens + wishes_BT.shape[1])


def counted_reference(wishes_BT: Tensor, limit_BT: Tensor, n_admitted_B: Tensor) -> Tensor:
    """The definition: how many have been admitted after each token, [B, T, ...]."""
    counted, S = [], n_admitted_B
    for wish_B, limit_B in zip(wishes_BT.unbind(1), limit_BT.unbind(1), strict=True):
        S = torch.minimum(S + wish_B, limit_B)
        counted.append(S)
    return torch.stack(counted, dim=1)


def counted_parallel(wishes_BT: Tensor, limit_BT: Tensor, n_admitted_B: Tensor) -> Tensor:
    """The same at once: the limit never falls, so S_t = P_t + min(0, min over j <= t of limit_j - P_j), P all that wished."""
    wished_BT = n_admitted_B[:, None] + wishes_BT.cumsum(1, dtype=torch.int32)
    slack_BT = (limit_BT - wished_BT).cummin(1).values
    return wished_BT + slack_BT.clamp(max=0)
