"""What the dense channel parts share: a hidden vector of neurons, all of them used or the largest only, and the way back."""

from torch import Tensor

from kernels.neurons import keep_largest, used_rows
from workers.model.layers.layer import Initialiser, Part
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm


class FeedForward(Part):
    """Base of the dense channel parts. `in_proj` makes `d_ff` neurons (and as many gates), `out_proj` goes back. No state."""

    def __init__(self, d_model: int, d_ff: int, n_in: int, n_active: int | None, sub_norm: bool) -> None:
        super().__init__()
        self.n_active = n_active
        self.in_proj = Linear(d_model, n_in * d_ff, bias=False, stacked=(d_ff,) * n_in)
        self.sub_norm = RMSNorm(d_ff) if sub_norm else None
        self.out_proj = Linear(d_ff, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, a norm of one."""
        init.weight(self.in_proj.weight)
        if self.sub_norm is not None:
            self.sub_norm.initialise()
        init.output(self.out_proj.weight)

    def few(self, x_BTD: Tensor) -> bool:
        """Whether to read the used neurons' weights only: for one token, where a whole product would be wasted."""
        return self.n_active is not None and x_BTD.shape[1] == 1

    def largest(self, h: Tensor) -> Tensor:
        """The hidden vector, all but its largest entries zero where only some neurons are active."""
        return h if self.n_active is None else keep_largest(h, self.n_active)

    def back(self, h_BTF: Tensor) -> Tensor:
        """From all neurons to the model's width."""
        out_BTD: Tensor = self.out_proj(h_BTF if self.sub_norm is None else self.sub_norm(h_BTF))
        return out_BTD

    def back_from(self, h_NK: Tensor, index_NK: Tensor) -> Tensor:
        """From the used neurons' values to the model's width, [N, D]."""
        rows_NKD = used_rows(self.out_proj.seen_weight.mT, index_NK)
        return (self.out_proj.seen_input(h_NK)[:, None] @ rows_NKD)[:, 0]
