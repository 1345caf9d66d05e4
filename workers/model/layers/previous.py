"""The token before each token, as RWKV's layers and token shifts mix it in."""

import torch
from torch import Tensor


def previous(x_BTD: Tensor, last_B1D: Tensor) -> Tensor:
    """Every token's predecessor [B, T, D]; that of the first is the last token seen, or zeros."""
    return torch.cat([last_B1D, x_BTD[:, :-1]], dim=1)
