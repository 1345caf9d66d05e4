"""The precision that sums, states and roots are taken in: float32, or that of the numbers where it is wider."""

import torch
from torch import Tensor


def wide_dtype(x: Tensor) -> torch.dtype:
    """float32 for half precision, otherwise the dtype of x."""
    return torch.promote_types(x.dtype, torch.float32)


def wide(x: Tensor) -> Tensor:
    """x in that dtype."""
    return x.to(wide_dtype(x))
