"""Causal depthwise convolution along the sequence, as short recurrences and gated convolutions use it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.model.layers.layer import Initialiser


class CausalConv(nn.Module):
    """Every channel is a weighted sum of its own last `width` inputs.

    State, the tail: those inputs, [B, channels, width]; zeros stand for what was before the first token.
    """

    def __init__(self, channels: int, width: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, width))
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None

    def initialise(self, init: Initialiser) -> None:
        """Uniform within 1 / sqrt(width), the usual start of a convolution."""
        bound = self.weight.shape[-1] ** -0.5
        init.uniform(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform(self.bias, -bound, bound)

    def initial_state(self, batch_size: int) -> Tensor:
        """An empty tail."""
        channels, _, width = self.weight.shape
        return self.weight.new_zeros(batch_size, channels, width)

    def forward(self, x_BTD: Tensor, tail_BDW: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs [B, T, channels] for tokens that follow the tail, and the next tail."""
        inputs = torch.cat([tail_BDW[..., 1:], x_BTD.mT], dim=-1)
        out_BDT = F.conv1d(inputs, self.weight, self.bias, groups=self.weight.shape[0])
        return out_BDT.mT, inputs[..., -tail_BDW.shape[-1] :]
