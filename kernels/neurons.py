"""Neuron-level top-k: of a feed-forward's hidden neurons a token uses those with the largest values only.

    y = sum over the K neurons i with the largest |h_i| of h_i (w_up_i . x) w_down_i      (without w_up: of h_i w_down_i)

Training masks a dense product; one token reads only the K rows it uses. Letters: N tokens, F neurons, D model width.
"""

import torch
from torch import Tensor


def keep_largest(h: Tensor, n_active: int) -> Tensor:
    """h [..., F] with all but the `n_active` entries of largest magnitude set to zero."""
    index = h.abs().topk(n_active, dim=-1).indices
    return torch.zeros_like(h).scatter(-1, index, h.gather(-1, index))


def used_rows(weight_FD: Tensor, index_NK: Tensor) -> Tensor:
    """The rows [N, K, D] of a matrix that the tokens use."""
    return torch.unflatten(weight_FD.index_select(0, index_NK.flatten()), 0, index_NK.shape)
