"""How the positive step sizes of Mamba and its kin start: log-uniform in a range (arXiv 2312.00752)."""

import math

import torch
from torch import Tensor

from workers.model.layers.layer import Initialiser

STEP_RANGE = (1e-3, 1e-1)


def initialise_step_bias(bias: Tensor, init: Initialiser) -> None:
    """Fill what a softplus makes into such steps, through its inverse."""
    step = init.uniform(bias, *map(math.log, STEP_RANGE)).exp()
    bias.copy_(step + torch.log(-torch.expm1(-step)))
