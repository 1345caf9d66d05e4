"""How a sublayer reads the residual stream and writes to it: by addition, or by hyper-connections (arXiv 2409.19606).

Hyper-connections keep n streams H [n, D] for each token. A sublayer f reads a weighted sum of them and every stream takes a
weighted sum of all, plus its own share of what f writes; the weights are learned, and in part computed from the streams:

    [A_m A_r] = A + s_a tanh(norm(H) W_a)      A [n, n + 1], W_a [D, n + 1]
    b         = B + s_b tanh(norm(H) W_b)      B [n],        W_b [D, 1]
    H'        = A_r^T H + b f(A_m^T H)

At the start A_r = 1, B = 1, A_m picks one stream, W = 0 and s = 0.01: with equal streams each is the plain residual stream.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from search_spaces.norm import NormKind
from workers.model.layers import make_norm

SCALE = 0.01

Kept = tuple[Tensor, ...]
"""What a connection needs of the streams to write to them."""


def to_streams(x_BTD: Tensor, n_streams: int) -> Tensor:
    """The streams that layers pass on: [B, T, D] itself, or [B, T, n, D] with n equal streams."""
    return x_BTD if n_streams == 1 else x_BTD[:, :, None].expand(-1, -1, n_streams, -1)


def from_streams(x: Tensor, n_streams: int) -> Tensor:
    """Their mean, [B, T, D]; the published sum differs by a factor that the next norm takes away."""
    return x if n_streams == 1 else x.mean(2)


def token_vectors(x: Tensor) -> Tensor:
    """What decides on a token, [B, T, D]: of several streams the mean."""
    return x if x.dim() == 3 else x.mean(2)


def per_token(weight_BT: Tensor, x: Tensor) -> Tensor:
    """One number for each token, shaped to multiply the stream or streams x."""
    return weight_BT.view(weight_BT.shape + (1,) * (x.dim() - 2))


class Residual(nn.Module):
    """One stream: x + f(x)."""

    def initialise(self) -> None:
        """Nothing is learned."""

    def read(self, x: Tensor) -> tuple[Tensor, Kept]:
        """What the sublayer reads, and what `write` needs."""
        return x, (x,)

    def write(self, out: Tensor, kept: Kept) -> Tensor:
        """The stream after the sublayer put out `out`."""
        return kept[0] + out


class HyperConnection(Residual):
    """Several streams, [B, T, n, D]; `first` is the one that the sublayer reads at the start."""

    undecayed: ClassVar[tuple[str, ...]] = ("alpha",)

    def __init__(self, d_model: int, norm: NormKind, n_streams: int, first: int) -> None:
        super().__init__()
        self.n_streams, self.first = n_streams, first % n_streams
        self.norm = make_norm(norm, d_model)
        self.weigh = nn.Linear(d_model, n_streams + 2, bias=False)
        self.alpha = nn.Parameter(torch.empty(n_streams, n_streams + 1))
        self.beta = nn.Parameter(torch.empty(n_streams))
        self.alpha_scale, self.beta_scale = nn.Parameter(torch.empty(())), nn.Parameter(torch.empty(()))

    def initialise(self) -> None:
        """The plain residual stream, as published."""
        self.norm.initialise()
        self.weigh.weight.zero_()
        self.alpha.zero_()
        self.alpha[self.first, 0] = 1.0
        self.alpha[:, 1:].fill_diagonal_(1.0)
        self.beta.fill_(1.0)
        self.alpha_scale.fill_(SCALE)
        self.beta_scale.fill_(SCALE)

    def read(self, x: Tensor) -> tuple[Tensor, Kept]:
        """A_m^T H [B, T, D]; A_r^T H and b."""
        seen = torch.tanh(self.weigh(self.norm(x)))
        alpha = self.alpha + self.alpha_scale * seen[..., :-1]
        beta = self.beta + self.beta_scale * seen[..., -1]
        mixed = alpha.mT @ x
        return mixed[..., 0, :], (mixed[..., 1:, :], beta)

    def write(self, out: Tensor, kept: Kept) -> Tensor:
        """A_r^T H + b f."""
        mixed, beta = kept
        return mixed + beta[..., None] * out[..., None, :]


def connection(d_model: int, norm: NormKind, n_streams: int, place: int) -> Residual:
    """How the sublayer at 0-based `place` of its stack is joined to the streams."""
    return Residual() if n_streams == 1 else HyperConnection(d_model, norm, n_streams, place)
