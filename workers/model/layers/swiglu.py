"""Torch layer of `search_spaces.primitives.swiglu`."""

import torch.nn.functional as F
from torch import Tensor

from search_spaces.primitives.swiglu import SwiGLU
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear


class SwiGLULayer(Part):
    """Gate and up projection in one matrix, then down. No state."""

    def __init__(self, config: SwiGLU, d_model: int) -> None:
        super().__init__()
        self.in_proj = Linear(d_model, 2 * config.d_ff, bias=False)
        self.out_proj = Linear(config.d_ff, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights."""
        init.weight(self.in_proj.weight)
        init.output(self.out_proj.weight)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """silu(gate) * up, projected back."""
        gate, up = self.in_proj(x_BTD).chunk(2, dim=-1)
        return self.out_proj(F.silu(gate) * up), state
