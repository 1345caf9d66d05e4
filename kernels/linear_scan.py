"""A linear recurrence of every channel by itself: h_t = a_t h_{t-1} + x_t, with 0 <= a_t <= 1.

RWKV-4 (arXiv 2305.13048) and RG-LRU (2402.19427) are this recurrence with factors of their own. Letters: B batch, T tokens,
D channels, N chunks of C tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.dispatch import choose


def linear_scan(x_BTD: Tensor, decay_BTD: Tensor, state_BD: Tensor) -> Tensor:
    """The state after every token, [B, T, D]. Raises ValueError for shapes that do not fit."""
    B, T, D = x_BTD.shape
    if decay_BTD.shape != x_BTD.shape or state_BD.shape != (B, D) or T < 1:
        raise ValueError(f"decay {[*decay_BTD.shape]} and state {[*state_BD.shape]} must be [{B}, {T}, {D}] and [{B}, {D}]")
    # a few tokens are steps of the definition, which chunks could only make longer
    forms = {"reference": linear_scan_reference, "chunked": linear_scan_reference if T < 4 else linear_scan_chunked}
    return choose(forms)(x_BTD, decay_BTD, state_BD)


def linear_scan_reference(x_BTD: Tensor, decay_BTD: Tensor, state_BD: Tensor) -> Tensor:
    """The definition, one step per token."""
    states = []
    for x_BD, decay_BD in zip(x_BTD.unbind(1), decay_BTD.unbind(1), strict=True):
        state_BD = torch.addcmul(x_BD, decay_BD, state_BD)
        states.append(state_BD)
    return torch.stack(states, dim=1)


def linear_scan_chunked(x_BTD: Tensor, decay_BTD: Tensor, state_BD: Tensor) -> Tensor:
    """The same in about 2 sqrt(T) steps: all chunks at once from empty states, then what enters each chunk.

    Only products of decays are taken, never quotients, so that nothing overflows and decays may be zero.
    """
    T = x_BTD.shape[1]
    C = 1 << (T.bit_length() + 1) // 2
    x, decay = (torch.unflatten(F.pad(tensor, (0, 0, 0, -T % C)), 1, (-1, C)) for tensor in (x_BTD, decay_BTD))
    within_BNCD = linear_scan_reference(x.flatten(0, 1), decay.flatten(0, 1), torch.zeros_like(x[:, :, 0]).flatten(0, 1))
    within_BNCD = within_BNCD.view(x.shape)
    from_start_BNCD = decay.cumprod(dim=2)
    leaving_BND = linear_scan_reference(within_BNCD[:, :, -1], from_start_BNCD[:, :, -1], state_BD)
    entering_BND = torch.cat([state_BD[:, None], leaving_BND[:, :-1]], dim=1)
    return torch.addcmul(within_BNCD, from_start_BNCD, entering_BND[:, :, None]).flatten(1, 2)[:, :T]
