"""Torch layer of `search_spaces.primitives.swiglu`."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from kernels.neurons import used_rows
from search_spaces.primitives.swiglu import SwiGLU
from workers.model.layers.feed_forward import FeedForward
from workers.model.layers.layer import Pass, State


def _relu2(x: Tensor) -> Tensor:
    return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": F.silu,
    "gelu": partial(F.gelu, approximate="tanh"),
    "relu2": _relu2,
}


class SwiGLULayer(FeedForward):
    """Gate and up projection in one matrix, then down."""

    def __init__(self, config: SwiGLU, d_model: int) -> None:
        super().__init__(d_model, config.d_ff, 2, config.n_active, config.sub_norm)
        self.activation = ACTIVATIONS[config.activation]

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """act(gate) * up, projected back."""
        if self.few(x_BTD):
            return self._few(x_BTD[:, 0])[:, None], state
        gate, up = self.in_proj(x_BTD).chunk(2, dim=-1)
        return self.back(self.largest(self.activation(gate)) * up), state

    def _few(self, x_BD: Tensor) -> Tensor:
        """One token of each sequence: the gates of all neurons, then only the used ones."""
        seen_BD = self.in_proj.seen_input(x_BD)
        gate_FD, up_FD = self.in_proj.seen_weight.chunk(2)
        h_BF = self.activation(F.linear(seen_BD, gate_FD))
        index_BK = h_BF.abs().topk(self.n_active or 0, dim=-1).indices
        up_BK = (used_rows(up_FD, index_BK) @ seen_BD[..., None])[..., 0]
        return self.back_from(h_BF.gather(-1, index_BK) * up_BK, index_BK)
