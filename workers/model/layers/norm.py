"""RMSNorm over the last axis (arXiv 1910.07467)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + 1e-5), times a learned weight unless `learned` is false."""

    def __init__(self, size: int, learned: bool = True) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.empty(size)) if learned else None

    def initialise(self) -> None:
        """Weights of one."""
        if self.weight is not None:
            self.weight.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Any leading axes; the last has `size` channels."""
        return F.rms_norm(x, (self.size,), self.weight, EPS)
