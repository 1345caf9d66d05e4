"""Torch layer of `search_spaces.primitives.relu2`."""

import torch.nn.functional as F
from torch import Tensor

from search_spaces.primitives.relu2 import ReLU2
from workers.model.layers.feed_forward import FeedForward
from workers.model.layers.layer import Pass, State


class ReLU2Layer(FeedForward):
    """Up projection, squared ReLU, down."""

    def __init__(self, config: ReLU2, d_model: int) -> None:
        super().__init__(d_model, config.d_ff, 1, config.n_active, config.sub_norm)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """relu(up)^2, projected back."""
        h_BTF = F.relu(self.in_proj(x_BTD)).square()
        if not self.few(x_BTD):
            return self.back(self.largest(h_BTF)), state
        used_BK, index_BK = h_BTF[:, 0].topk(self.n_active or 0, dim=-1)
        return self.back_from(used_BK, index_BK)[:, None], state
