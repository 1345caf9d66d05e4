"""What every torch module of a model is: a block that maps a stream to a stream, and its leaf, the part of a primitive.

A part maps [B, T, D] to [B, T, D]. It takes whole sequences when training (`forward`) and a few tokens at a time when
decoding (`extend`), with the same result. It never synchronises with the host, and its shapes depend on its inputs'
shapes only.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from kernels.rotary import rotation

State = tuple[Any, ...]
"""What a block keeps between tokens when decoding: tensors with the batch first, the states of inner blocks, or `Rows`."""
Rows = list[State]
"""One state for each row of the batch, where rows choose for themselves which tokens pass a block."""


@dataclass(frozen=True)
class Modulation:
    """What a condition on a whole sequence makes of one sublayer f: gate f((1 + scale) norm(x) + shift), each [B, 1, D]."""

    scale_B1D: Tensor
    shift_B1D: Tensor
    gate_B1D: Tensor


@dataclass(frozen=True)
class Pass:
    """What the blocks share while the model runs once over some tokens."""

    positions: Tensor
    """Position of each token in its sequence: [T], or [B, T] where every sequence has tokens of its own."""
    loop: int = 0
    """Which pass through the looped core this is."""
    valid_BT: Tensor | None = None
    """False for tokens whose outputs will be dropped: routers leave them out of their counts. None: all count."""
    losses: list[Tensor] = field(default_factory=list)
    """Scalars that blocks add to the training loss, one for each time they run; each is already weighted."""
    memory: dict[Any, Any] = field(default_factory=dict)
    """What a block leaves for a later one of the same pass, such as keys and values that layers or loops share."""
    rotations: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    """Rotary tables by vector size, filled as they are asked for."""

    modulations: Mapping[nn.Module, Modulation] | None = None
    """Of every sublayer of the backbone, the same in each loop. None: nothing is modulated."""

    def rotation(self, size: int) -> tuple[Tensor, Tensor]:
        """Rotary cosines and sines for vectors of `size`."""
        if size not in self.rotations:
            self.rotations[size] = rotation(self.positions, size)
        return self.rotations[size]

    def in_loop(self, loop: int) -> Self:
        """The same pass, in another loop."""
        return replace(self, loop=loop)

    def of_tokens(self, positions_BT: Tensor, valid_BT: Tensor | None) -> Self:
        """The same pass over some of its tokens."""
        return replace(self, positions=positions_BT, valid_BT=valid_BT, rotations={})


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


class Block(nn.Module, ABC):
    """Anything that tokens pass through: a part, or a composition of blocks."""

    @abstractmethod
    def initialise(self, init: Initialiser) -> None:
        """Fill every parameter and buffer in place; they are created without values."""

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state before the first token."""

    @abstractmethod
    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The outputs for the tokens of x, which follow `state`, and the next state.

        Without a state, x is the whole sequence: nothing is kept, and the state returned is empty.
        """


class Part(Block):
    """The torch layer of a primitive. A subclass defines `initialise`, `extend` and, if it keeps a state, `initial_state`."""

    def initial_state(self, batch_size: int) -> State:
        """The state before the first token."""
        return ()

    @abstractmethod
    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """The outputs [B, T, D] for tokens that follow `state`, before the residual addition, and the next state."""

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """The outputs for a whole sequence."""
        return self.extend(x_BTD, self.initial_state(x_BTD.shape[0]), shared)[0]

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """`forward` without a state, `extend` with one."""
        return (self(x, shared), ()) if state is None else self.extend(x, state, shared)
