"""Torch layer of `search_spaces.primitives.rwkv_channel`."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.primitives.rwkv_channel import RWKVChannel
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.previous import previous


class RWKVChannelLayer(Part):
    """State: the last token, [B, 1, D]."""

    undecayed: ClassVar[tuple[str, ...]] = ("share_2D",)

    def __init__(self, config: RWKVChannel, d_model: int) -> None:
        super().__init__()
        self.share_2D = nn.Parameter(torch.empty(2, d_model))
        self.key = Linear(d_model, config.d_ff, bias=False)
        self.receptance = Linear(d_model, d_model, bias=False)
        self.value = Linear(config.d_ff, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Shares uniform in 0 .. 1, normal weights."""
        init.uniform(self.share_2D, 0.0, 1.0)
        init.weight(self.key.weight)
        init.weight(self.receptance.weight)
        init.output(self.value.weight)

    def initial_state(self, batch_size: int) -> State:
        """Zeros stand for what was before the first token."""
        return (self.share_2D.new_zeros(batch_size, 1, self.share_2D.shape[1]),)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """relu(key)^2, projected back, times the receptance."""
        (last,) = state
        for_key, for_receptance = torch.lerp(previous(x_BTD, last), x_BTD, self.share_2D[:, None, None]).unbind()
        out = self.receptance(for_receptance).sigmoid() * self.value(F.relu(self.key(for_key)).square())
        return out, (x_BTD[:, -1:],)
