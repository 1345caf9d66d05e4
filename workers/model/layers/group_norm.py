"""LayerNorm of each head with weights and biases of its own: the GroupNorm of RWKV-5 and later."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers.model.layers.norm import Norm

EPS = 64e-5


class GroupNorm(Norm):
    """(x - mean(x)) / sqrt(variance(x) + 64e-5) w + b within each of `n_heads` vectors of `size`."""

    def __init__(self, n_heads: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight, self.bias = nn.Parameter(torch.empty(n_heads * size)), nn.Parameter(torch.empty(n_heads * size))

    def initialise(self) -> None:
        """Weights of one, no bias."""
        self.weight.fill_(1.0)
        self.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., H, size] to [..., H size]."""
        return F.layer_norm(x, (self.size,), eps=EPS).flatten(-2) * self.weight + self.bias
