"""What every torch layer of a primitive is: a mixer or channel part that maps [B, T, D] to [B, T, D] causally.

A part takes whole sequences when training (`forward`) and a few tokens at a time when decoding (`extend`), with the same
result. It never synchronises with the host, and its shapes depend on its inputs' shapes only.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from kernels.rotary import rotation

State = tuple[Tensor, ...]
"""What a part keeps between tokens when decoding: tensors with the batch first."""


@dataclass(frozen=True)
class Pass:
    """What the parts share while the model runs once over some tokens."""

    positions_T: Tensor
    """Position of each token in its sequence."""
    balance_losses: list[Tensor] = field(default_factory=list)
    """Scalars that routed parts add, one for each time they run; each is already weighted."""
    rotations: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Rotary tables by vector size, filled as they are asked for."""

    def rotation(self, size: int) -> tuple[Tensor, Tensor]:
        """Rotary cosines and sines for vectors of `size`."""
        if size not in self.rotations:
            self.rotations[size] = rotation(self.positions_T, size)
        return self.rotations[size]


@dataclass(frozen=True)
class Initialiser:
    """How parameters start: every draw comes from one generator, in the order of the layers."""

    generator: torch.Generator | None
    residual_scale: float
    """Factor for weights that write into the residual stream: 1 / sqrt(2 x unrolled layers)."""
    std: float = 0.02

    def weight(self, weight: Tensor) -> None:
        """A matrix that reads from the residual stream."""
        weight.normal_(0.0, self.std, generator=self.generator)

    def output(self, weight: Tensor) -> None:
        """A matrix that writes into the residual stream."""
        weight.normal_(0.0, self.std * self.residual_scale, generator=self.generator)

    def uniform(self, tensor: Tensor, low: float, high: float) -> Tensor:
        """Fill with uniform draws; returns the tensor."""
        return tensor.uniform_(low, high, generator=self.generator)


class Part(nn.Module, ABC):
    """Base of all parts. A subclass defines `initialise`, `extend` and, if it keeps a state, `initial_state`."""

    @abstractmethod
    def initialise(self, init: Initialiser) -> None:
        """Fill every parameter and buffer in place; they are created without values."""

    def initial_state(self, batch_size: int) -> State:
        """The state before the first token."""
        return ()

    @abstractmethod
    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """The outputs [B, T, D] for tokens that follow `state`, before the residual addition, and the next state."""

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """The outputs for a whole sequence."""
        return self.extend(x_BTD, self.initial_state(x_BTD.shape[0]), shared)[0]
