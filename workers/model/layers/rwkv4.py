"""Torch layer of `search_spaces.primitives.rwkv4`."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from kernels.precision import wide_dtype
from kernels.wkv import NOTHING, Sums, wkv
from search_spaces.primitives.rwkv4 import RWKV4
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.previous import previous

RATE_RANGE = (-5.0, 3.0)
"""Logarithms of the decay rates of the first and the last channel."""


class RWKV4Layer(Part):
    """State: the last token [B, 1, D], then numerator, denominator and largest exponent of the mean, [B, width] each."""

    undecayed: ClassVar[tuple[str, ...]] = ("share_3D",)

    def __init__(self, config: RWKV4, d_model: int) -> None:
        super().__init__()
        width = config.channels(d_model)
        self.share_3D = nn.Parameter(torch.empty(3, d_model))
        self.log_rate = nn.Parameter(torch.empty(width))
        self.bonus = nn.Parameter(torch.empty(width))
        self.key, self.value, self.receptance = (Linear(d_model, width, bias=False) for _ in range(3))
        self.out_proj = Linear(width, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Memories of less than a token to 150; bonuses of a third, which differ from channel to channel."""
        width, device = len(self.log_rate), self.log_rate.device
        init.uniform(self.share_3D, 0.0, 1.0)
        self.log_rate.copy_(torch.linspace(*RATE_RANGE, width, device=device))
        self.bonus.copy_(math.log(0.3) + 0.5 * ((torch.arange(width, device=device) + 1) % 3 - 1))
        for projection in (self.key, self.value, self.receptance):
            init.weight(projection.weight)
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """Zeros, and an exponent below all others."""
        dtype = wide_dtype(self.log_rate)
        last = self.share_3D.new_zeros(batch_size, 1, self.share_3D.shape[1])
        zeros, exponent = (self.log_rate.new_full((batch_size, len(self.log_rate)), x, dtype=dtype) for x in (0.0, NOTHING))
        return last, zeros, zeros, exponent

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Mix with the token before, project, average, gate, project back."""
        last, *sums = state
        x_3BTD = torch.lerp(previous(x_BTD, last), x_BTD, self.share_3D[:, None, None])
        for_key, for_value, for_receptance = x_3BTD.unbind()
        rates = self.log_rate.to(sums[0].dtype).exp()
        mean, after = wkv(self.key(for_key), self.value(for_value), -rates, self.bonus, Sums(*sums))
        out = self.out_proj(self.receptance(for_receptance).sigmoid() * mean)
        return out, (x_BTD[:, -1:], *after)
