"""Squared-ReLU feed-forward: y = W_down relu(W_up x)^2 (Primer, arXiv 2109.08668; Nemotron-H, 2504.03624)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class ReLU2(Primitive):
    """Two matrices of `d_model` x `d_ff`, no biases."""

    role: ClassVar[Role] = "channel"
    family: ClassVar[Family] = "feed-forward"
    title: ClassVar[str] = "Squared-ReLU feed-forward"
    source: ClassVar[str] = "arXiv 2109.08668, 2504.03624"
    equation: ClassVar[str] = "y = W_down relu(W_up x)^2, only the n_active largest kept where set"
    formulas: ClassVar[Formulas] = Formulas(
        where="f = d_ff, M = 2 d f",
        params="M",
        flops="2 M",
        state="0",
        options="Params: + f with sub_norm. With n_active a token uses d f + d n_active of M.",
    )
    oracle: ClassVar[str] = "transformers: Nemotron-H"

    kind: Literal["relu2"] = "relu2"
    d_ff: Annotated[int, Field(ge=1, le=262_144)]
    """Hidden width."""
    sub_norm: bool = False
    """RMSNorm on the hidden vector before W_down."""
    n_active: Annotated[int, Field(ge=1, le=262_144)] | None = None
    """Neurons that a token uses, the largest; the others count as zero. None: all."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Only neurons that exist can be active."""
        if self.n_active is not None and self.n_active >= self.d_ff:
            yield Problem("n_active", f"{self.n_active} must be below d_ff {self.d_ff}; or leave it out for all")
        if self.n_active is not None and self.sub_norm:
            yield Problem("sub_norm", "would average over neurons that count as zero; leave sub_norm or n_active out")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """2 d_model d_ff weights; of the down matrix a token uses the active neurons only."""
        up, norm = d_model * self.d_ff, self.d_ff if self.sub_norm else 0
        used = up + d_model * (self.n_active or self.d_ff)
        return Cost(params=2 * up + norm, active_params=used + norm, flops_per_token=2 * used)

    def label(self) -> str:
        """`relu²128` is a hidden width of 128; `k16` 16 active neurons."""
        return f"relu²{self.d_ff}" + (f"k{self.n_active}" if self.n_active else "")
