"""Norms over the last axis: RMSNorm (arXiv 1910.07467), LayerNorm (1607.06450), DyT (2503.10622) and L1.

Parts use RMSNorm inside; the norms around the parts and before the head are the architecture's choice.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.norm import NormKind

EPS = 1e-5
DYT_ALPHA = 0.5


class Norm(nn.Module, ABC):
    """A map of vectors that keeps their size of the order of one; its weights start as the plain norm."""

    @abstractmethod
    def initialise(self) -> None:
        """Fill every parameter in place."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Any leading axes; the last has the norm's size."""


class RMSNorm(Norm):
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


class LayerNorm(Norm):
    """(x - mean(x)) / sqrt(variance(x) + 1e-5) w + b."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(size))

    def initialise(self) -> None:
        """Weights of one, no bias."""
        self.weight.fill_(1.0)
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Any leading axes."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, EPS)


class DyT(Norm):
    """Dynamic tanh: tanh(a x) w + b with one learned a. No statistic of the vector is taken."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.empty(()))
        self.weight, self.bias = nn.Parameter(torch.empty(size)), nn.Parameter(torch.empty(size))

    def initialise(self) -> None:
        """a of a half, weights of one, no bias."""
        self.alpha.fill_(DYT_ALPHA)
        self.weight.fill_(1.0)
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Any leading axes."""
        return torch.tanh(self.alpha * x) * self.weight + self.bias


class L1Norm(Norm):
    """x / (mean |x| + 1e-5) w: no squares, which low precision loses."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))

    def initialise(self) -> None:
        """Weights of one."""
        self.weight.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Any leading axes."""
        return x / (x.abs().mean(dim=-1, keepdim=True) + EPS) * self.weight


NORMS: dict[NormKind, Callable[[int], Norm]] = {"rms": RMSNorm, "layer": LayerNorm, "dyt": DyT, "l1": L1Norm}


def make_norm(kind: NormKind, size: int) -> Norm:
    """The norm of vectors of `size`, its parameters still without values; as many as `search_spaces.norm.norm_params` says."""
    return NORMS[kind](size)
