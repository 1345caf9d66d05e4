"""A projection through a narrow middle, as data-dependent decays and gates use it."""

from torch import Tensor, nn

from workers.model.layers.layer import Initialiser


class LowRank(nn.Module):
    """W_up W_down x."""

    def __init__(self, d_in: int, rank: int, d_out: int) -> None:
        super().__init__()
        self.down = nn.Linear(d_in, rank, bias=False)
        self.up = nn.Linear(rank, d_out, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights."""
        init.weight(self.down.weight)
        init.weight(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_in] to [..., d_out]."""
        out: Tensor = self.up(self.down(x))
        return out
