"""Torch layer of `search_spaces.primitives.s4d`."""

import torch.nn.functional as F
from torch import Tensor

from search_spaces.primitives.s4d import S4D
from workers.model.layers.diagonal_ssm import DiagonalSSM
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear


class S4DLayer(Part):
    """State: that of the state spaces, [B, D, 1, state_size]."""

    def __init__(self, config: S4D, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.ssm = DiagonalSSM(d_model, config.state_size)
        self.out_proj = Linear(d_model, 2 * d_model)

    def initialise(self, init: Initialiser) -> None:
        """The state spaces know their start; normal weights, no bias."""
        self.ssm.initialise(init, (self.config.min_step, self.config.max_step), self.config.frequencies == "inverse")
        init.output(self.out_proj.weight)
        self.out_proj.bias.zero_()

    def initial_state(self, batch_size: int) -> State:
        """Zeros."""
        return (self.ssm.initial_state(batch_size, 1),)

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """One long convolution for each channel."""
        return self._out(self.ssm(x_BTD.mT[:, :, None]))

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """The recurrence."""
        y_BD1T, after = self.ssm.extend(x_BTD.mT[:, :, None], state[0])
        return self._out(y_BD1T), (after,)

    def _out(self, y_BD1T: Tensor) -> Tensor:
        return F.glu(self.out_proj(F.gelu(y_BD1T[:, :, 0].mT)))
