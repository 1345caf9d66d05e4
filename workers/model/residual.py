"""One residual layer: x += fuse(mixers(norm(x))), then x += channel(norm(x)); tokens beyond its capacity skip both."""

from torch import Tensor

from search_spaces.layer import Layer
from search_spaces.norm import NormKind
from workers.model.fusion import fused_mixers
from workers.model.layers import Block, Initialiser, Modulation, Pass, State, make_norm, part
from workers.model.selection import MixtureOfDepths
from workers.model.streams import connection


class Sublayer(Block):
    """A norm and a block, joined to the residual stream or streams by a connection. State: that of the block.

    `place` is the sublayer's 0-based place in its stack: hyper-connections start from it.
    """

    def __init__(self, block: Block, d_model: int, norm: NormKind, n_streams: int, place: int) -> None:
        super().__init__()
        self.connection = connection(d_model, norm, n_streams, place)
        self.norm = make_norm(norm, d_model)
        self.block = block

    def initialise(self, init: Initialiser) -> None:
        """Each knows its own start."""
        self.connection.initialise()
        self.norm.initialise()
        self.block.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of the block."""
        return self.block.initial_state(batch_size)

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The residual stream [B, T, D], or streams [B, T, n, D], after the block."""
        read, kept = self.connection.read(x)
        if shared.modulations is not None:
            out, state = self._modulated(read, state, shared, shared.modulations[self])
        else:
            out, state = self.block.run(self.norm(read), state, shared)
        return self.connection.write(out, kept), state

    def _modulated(self, read: Tensor, state: State | None, shared: Pass, by: Modulation) -> tuple[Tensor, State]:
        out, state = self.block.run(self.norm(read) * (1 + by.scale_B1D) + by.shift_B1D, state, shared)
        return by.gate_B1D * out, state


class ResidualLayer(Block):
    """The sublayers of `search_spaces.layer.Layer`, mixers then channel part. State: that of each.

    `index` is the layer's 0-based place in its stack.
    """

    def __init__(self, layer: Layer, d_model: int, norm: NormKind, n_streams: int = 1, index: int = 0) -> None:
        super().__init__()
        mixers = fused_mixers(layer, d_model, norm) if layer.mixers else None
        self.mixers = None if mixers is None else Sublayer(mixers, d_model, norm, n_streams, 2 * index)
        channel = None if layer.channel is None else part(layer.channel, d_model)
        self.channel = None if channel is None else Sublayer(channel, d_model, norm, n_streams, 2 * index + 1)

    def initialise(self, init: Initialiser) -> None:
        """In the order a token passes them."""
        for sublayer in self._sublayers():
            sublayer.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every sublayer."""
        return tuple(sublayer.initial_state(batch_size) for sublayer in self._sublayers())

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The residual stream or streams after this layer."""
        after = []
        for index, sublayer in enumerate(self._sublayers()):
            x, sublayer_state = sublayer.run(x, None if state is None else state[index], shared)
            after.append(sublayer_state)
        return x, tuple(after)

    def _sublayers(self) -> list[Sublayer]:
        return [sublayer for sublayer in (self.mixers, self.channel) if sublayer is not None]


def residual_layer(layer: Layer, d_model: int, norm: NormKind, n_streams: int = 1, index: int = 0) -> Block:
    """The torch form of a layer at 0-based `index` of its stack, its parameters still without values."""
    block = ResidualLayer(layer, d_model, norm, n_streams, index)
    return block if layer.capacity is None else MixtureOfDepths(block, d_model, layer.capacity)
