"""Feature maps of linear attention: elementwise ones, and the positive orthogonal random features of Performer.

With w drawn from a normal distribution, the mean of exp(w.x - |x|^2 / 2) exp(w.y - |y|^2 / 2) is exp(x.y): products of
features estimate softmax weights (FAVOR+, arXiv 2009.14794). Rows that are orthogonal estimate them with less variance.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.precision import wide


def _elu1(x: Tensor) -> Tensor:
    return F.elu(x) + 1


ELEMENTWISE: Mapping[str, Callable[[Tensor], Tensor]] = {"elu1": _elu1, "relu": F.relu, "silu": F.silu}


def favor(x: Tensor, rows_MK: Tensor) -> tuple[Tensor, Tensor]:
    """Features [..., M] of x [..., K], in float32, divided by their largest, and the logarithm [...] of that largest.

    Products with the features of y estimate exp(x.y / sqrt(K)), up to the factor M. The largest is a constant to the
    gradient: what is normalised by a sum of the same weights does not depend on it.
    """
    x = wide(x) * x.shape[-1] ** -0.25
    exponents = x @ rows_MK.to(x.dtype).mT - x.square().sum(-1, keepdim=True) / 2
    largest = exponents.detach().amax(-1, keepdim=True)
    return (exponents - largest).exp(), largest[..., 0]


def random_rows(rows_MK: Tensor, generator: torch.Generator | None) -> Tensor:
    """Normal vectors of that shape, orthogonal within each block of K rows, with the lengths of independent ones."""
    (n_rows, size), n_blocks = rows_MK.shape, -(-rows_MK.shape[0] // rows_MK.shape[1])
    blocks = rows_MK.new_empty(n_blocks, size, size).normal_(generator=generator)
    directions, triangles = torch.linalg.qr(blocks)
    # the factorisation chooses signs; without them every direction is as likely as any other
    directions = directions * triangles.diagonal(dim1=-2, dim2=-1).sign()[:, None]
    independent = rows_MK.new_empty(n_rows, size).normal_(generator=generator)
    lengths = independent.square().sum(-1, keepdim=True).sqrt()
    return torch.mul(directions.mT.flatten(0, 1)[:n_rows], lengths)
