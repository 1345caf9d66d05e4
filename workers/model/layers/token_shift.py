"""Token shift: each channel is mixed with itself one token earlier (RWKV, arXiv 2305.13048)."""

import torch
from torch import Tensor, nn

from workers.model.layers.layer import Initialiser
from workers.model.layers.previous import previous


class TokenShift(nn.Module):
    """x_t + share (x_{t-1} - x_t), with a trained share per channel. State: the last token, [B, 1, D]."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.share_D = nn.Parameter(torch.empty(d_model))

    def initialise(self, init: Initialiser) -> None:
        """Shares uniform in 0 .. 1."""
        init.uniform(self.share_D, 0.0, 1.0)

    def initial_state(self, batch_size: int) -> Tensor:
        """Zeros stand for what was before the first token."""
        return self.share_D.new_zeros(batch_size, 1, self.share_D.shape[0])

    def forward(self, x_BTD: Tensor, last_B1D: Tensor) -> tuple[Tensor, Tensor]:
        """The mixed tokens that follow the last one, and the next last one."""
        return torch.lerp(x_BTD, previous(x_BTD, last_B1D), self.share_D), x_BTD[:, -1:]
