"""Residual layers one after another."""

from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from search_spaces.layer import Layer
from search_spaces.norm import NormKind
from workers.model.layers import Block, Initialiser, Pass, State
from workers.model.residual import residual_layer


class Stack(Block, nn.ModuleList):
    """Layers of one width in a row, between `n_streams` residual streams. State: that of each layer."""

    def __init__(self, layers: Iterable[Layer], d_model: int, norm: NormKind, n_streams: int = 1) -> None:
        super().__init__()
        self.extend(residual_layer(layer, d_model, norm, n_streams, index) for index, layer in enumerate(layers))

    def initialise(self, init: Initialiser) -> None:
        """Every layer, in order."""
        for layer in self.blocks():
            layer.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every layer."""
        return tuple(layer.initial_state(batch_size) for layer in self.blocks())

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The stream after the last layer."""
        after = []
        for index, layer in enumerate(self.blocks()):
            x, layer_state = layer.run(x, None if state is None else state[index], shared)
            after.append(layer_state)
        return x, tuple(after)

    def blocks(self) -> Iterator[Block]:
        """The layers; a module list has forgotten what they are."""
        return (layer for layer in self if isinstance(layer, Block))
