"""The matrix product of every part, in full precision unless the architecture's numerics say otherwise."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Quantiser(Protocol):
    """What numerics do to the two sides of a matrix product, with gradients that pass straight through."""

    def weights(self, weight: Tensor) -> Tensor:
        """The weight as the product sees it; the last axis is the one that is summed over."""

    def activations(self, x: Tensor) -> Tensor:
        """The input as the product sees it; one scale for each token."""


class Linear(nn.Linear):
    """x W^T + b. `quantiser` is set by the model for low-bit training; routers and gates stay plain `nn.Linear`.

    Where W holds several projections below one another, `stacked` are their rows: formats that scale a whole matrix scale each
    projection by itself, as if it stood alone.
    """

    quantiser: Quantiser | None = None

    def __init__(self, in_features: int, out_features: int, bias: bool = True, stacked: tuple[int, ...] = ()) -> None:
        super().__init__(in_features, out_features, bias)
        self.stacked = stacked or (out_features,)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return F.linear(self.seen_input(x), self.seen_weight, self.bias)

    @property
    def seen_weight(self) -> Tensor:
        """The weight [out, in] as the product sees it."""
        if self.quantiser is None:
            return self.weight
        projections = self.weight.split_with_sizes(self.stacked)
        return torch.cat([self.quantiser.weights(projection) for projection in projections])

    def seen_input(self, x: Tensor) -> Tensor:
        """The input as the product sees it."""
        return x if self.quantiser is None else self.quantiser.activations(x)
