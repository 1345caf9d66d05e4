"""Learned diagonal state spaces, as S4D and H3 use them."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from kernels.diagonal_ssm import System, discretise, extend_ssm, ssm
from kernels.precision import wide_dtype
from workers.model.layers.layer import Initialiser

RATE = 0.5
"""What the states start to decay by, per unit of continuous time."""


class DiagonalSSM(nn.Module):
    """`n_systems` state spaces of `state_size` numbers, each with a step of its own and a skip.

    State: [B, systems, inputs of each system, state_size], in the accumulation dtype.
    """

    undecayed: ClassVar[tuple[str, ...]] = ("log_rate_DM", "frequency_DM", "c_DM2")

    def __init__(self, n_systems: int, state_size: int) -> None:
        super().__init__()
        self.log_step_D = nn.Parameter(torch.empty(n_systems))
        self.log_rate_DM = nn.Parameter(torch.empty(n_systems, state_size // 2))
        self.frequency_DM = nn.Parameter(torch.empty(n_systems, state_size // 2))
        self.c_DM2 = nn.Parameter(torch.empty(n_systems, state_size // 2, 2))
        self.skip_D = nn.Parameter(torch.empty(n_systems))

    def initialise(self, init: Initialiser, steps: tuple[float, float], inverse: bool = False) -> None:
        """Steps log-uniform in their range, frequencies of S4D-Lin or S4D-Inv, normal complex reads and normal skips."""
        init.uniform(self.log_step_D, *map(math.log, steps))
        self.log_rate_DM.fill_(math.log(RATE))
        n_states = self.frequency_DM.shape[1]
        index = torch.arange(n_states, device=self.frequency_DM.device)
        size = 2 * n_states
        self.frequency_DM.copy_(size / math.pi * (size / (2 * index + 1) - 1) if inverse else math.pi * index)
        self.c_DM2.normal_(0.0, 0.5**0.5, generator=init.generator)
        self.skip_D.normal_(generator=init.generator)

    def initial_state(self, batch_size: int, n_inputs: int) -> Tensor:
        """Zeros."""
        systems, states = self.log_rate_DM.shape
        dtype = wide_dtype(self.log_rate_DM)
        return self.log_rate_DM.new_zeros(batch_size, systems, n_inputs, 2 * states, dtype=dtype)

    def forward(self, u_BDXT: Tensor) -> Tensor:
        """The outputs for whole sequences."""
        return ssm(u_BDXT, self._system()) + self._skipped(u_BDXT)

    def extend(self, u_BDXT: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs for inputs that follow a state, and the next state."""
        out_BDXT, state = extend_ssm(u_BDXT, self._system(), state)
        return out_BDXT + self._skipped(u_BDXT), state

    def _system(self) -> System:
        return discretise(self.log_step_D, self.log_rate_DM, self.frequency_DM, self.c_DM2)

    def _skipped(self, u_BDXT: Tensor) -> Tensor:
        return u_BDXT * self.skip_D[:, None, None]
