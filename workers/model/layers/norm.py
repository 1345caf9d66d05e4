"""RMSNorm over the last axis (arXiv 1910.07467)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + 1e-5), times a learned weight unless `learned` is false; the mean is taken in each group."""

    def __init__(self, size: int, learned: bool = True, n_groups: int = 1) -> None:
        super().__init__()
        self.size, self.n_groups = size, n_groups
        self.weight = nn.Parameter(torch.empty(size)) if learned else None

    def initialise(self) -> None:
        """Weights of one."""
        if self.weight is not None:
            self.weight.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Any leading axes; the last has `size` channels."""
        if self.n_groups == 1:
            return F.rms_norm(x, (self.size,), self.weight, EPS)
        groups = torch.unflatten(x, -1, (self.n_groups, -1))
        normed = F.rms_norm(groups, groups.shape[-1:], eps=EPS).flatten(-2)
        return normed if self.weight is None else normed * self.weight
