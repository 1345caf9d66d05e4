"""Torch layer of `search_spaces.primitives.short_conv`."""

from torch import Tensor

from search_spaces.primitives.short_conv import ShortConv
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear


class ShortConvLayer(Part):
    """Gated short convolution. State: the last `width` products of input gate and input, [B, D, width]."""

    def __init__(self, config: ShortConv, d_model: int) -> None:
        super().__init__()
        self.in_proj = Linear(d_model, 3 * d_model, bias=False)
        self.conv = CausalConv(d_model, config.width, bias=False)
        self.out_proj = Linear(d_model, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, uniform taps."""
        init.weight(self.in_proj.weight)
        self.conv.initialise(init)
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """The convolution's empty tail."""
        return (self.conv.initial_state(batch_size),)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Gate, convolve, gate, project."""
        gate_in, gate_out, x = self.in_proj(x_BTD).chunk(3, dim=-1)
        mixed, tail = self.conv(gate_in * x, state[0])
        return self.out_proj(gate_out * mixed), (tail,)
