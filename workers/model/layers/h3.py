"""Torch layer of `search_spaces.primitives.h3`."""

import torch
from torch import Tensor

from search_spaces.primitives.h3 import H3
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.diagonal_ssm import DiagonalSSM
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.steps import STEP_RANGE


class H3Layer(Part):
    """State: that of the diagonal state spaces [B, heads, head_dim^2, state_size], then the last `shift_width` keys."""

    def __init__(self, config: H3, d_model: int) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.in_proj = Linear(d_model, 3 * d_model, bias=False)
        # a shift state space keeps the last inputs and reads them with one weight each: the taps of a convolution
        self.shift = CausalConv(d_model, config.shift_width, bias=False)
        self.ssm = DiagonalSSM(d_model // config.head_dim, config.state_size)
        self.out_proj = Linear(d_model, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; both state spaces know their start."""
        init.weight(self.in_proj.weight)
        self.shift.initialise(init)
        self.ssm.initialise(init, STEP_RANGE)
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """Zeros, and no keys."""
        return self.ssm.initial_state(batch_size, self.head_dim**2), self.shift.initial_state(batch_size)

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """One long convolution for each product of a key and a value."""
        q, k, v = self.in_proj(x_BTD).chunk(3, dim=-1)
        k, _ = self.shift(k, self.shift.initial_state(x_BTD.shape[0]))
        return self._read(q, self.ssm(self._products(k, v)))

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """The recurrence of both state spaces."""
        states, tail = state
        q, k, v = self.in_proj(x_BTD).chunk(3, dim=-1)
        k, tail = self.shift(k, tail)
        y, states = self.ssm.extend(self._products(k, v), states)
        return self._read(q, y), (states, tail)

    def _products(self, k_BTD: Tensor, v_BTD: Tensor) -> Tensor:
        """Every key channel of a head times every value channel: [B, heads, head_dim^2, T]."""
        k_BHXT, v_BHXT = (torch.unflatten(x.mT, 1, (-1, self.head_dim)) for x in (k_BTD, v_BTD))
        return (k_BHXT[:, :, :, None] * v_BHXT[:, :, None]).flatten(2, 3)

    def _read(self, q_BTD: Tensor, y_BHXT: Tensor) -> Tensor:
        """Queries times what their head remembers; a head of one channel is a gate."""
        if self.head_dim == 1:
            read_BTD = q_BTD * y_BHXT[:, :, 0].mT
        else:
            q_BTHX = torch.unflatten(q_BTD, -1, (-1, self.head_dim))
            matrices = torch.unflatten(y_BHXT.permute(0, 3, 1, 2), -1, (self.head_dim, -1))
            read_BTD = (q_BTHX[..., None, :] @ matrices)[..., 0, :].flatten(2)
        out_BTD: Tensor = self.out_proj(read_BTD)
        return out_BTD
