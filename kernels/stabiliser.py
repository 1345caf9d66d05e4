"""Exponential writes without overflow: each head follows the largest that it has written, and keeps its state relative to it.

    m_t = max(g_t + m_{t-1}, i_t)      decay exp(g_t + m_{t-1} - m_t)      weight exp(i_t - m_t)

Both factors are at most 1, so the recurrence stays the plain one; its state is exp(-m_t) times the true state (xLSTM,
arXiv 2405.04517). m_t = G_t + max(m_0, max_{s <= t} (i_s - G_s)) with G the running sum of g, hence no loop over tokens.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Stabilised(NamedTuple):
    """A recurrence whose state is relative to the running maximum."""

    weight_BTH: Tensor
    """What each write is multiplied by, at most 1."""
    log_decay_BTH: Tensor
    """The decay of the relative state."""
    maximum_BTH: Tensor
    """Logarithm of the true state's scale after each token."""


def stabilise(log_weight_BTH: Tensor, log_decay_BTH: Tensor | None, maximum_BH: Tensor) -> Stabilised:
    """Factors of the relative recurrence that follows a state with `maximum_BH`. The maximum is a constant to the gradient.

    Rounding of the maximum is harmless: decays and weights are taken from the maximum as it was rounded.
    """
    if log_decay_BTH is None:
        log_decay_BTH = torch.zeros_like(log_weight_BTH)
    with torch.no_grad():
        sums = log_decay_BTH.cumsum(1)
        largest = torch.cummax(log_weight_BTH - sums, dim=1).values
        maximum_BTH = sums + torch.maximum(largest, maximum_BH[:, None])
    before_BTH = torch.cat([maximum_BH[:, None], maximum_BTH[:, :-1]], dim=1)
    return Stabilised(
        weight_BTH=(log_weight_BTH - maximum_BTH).exp(),
        log_decay_BTH=log_decay_BTH + before_BTH - maximum_BTH,
        maximum_BTH=maximum_BTH,
    )
