"""H3: two state spaces and two products, the shape of attention without its scores (arXiv 2212.14052)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class H3(Primitive):
    """Keys pass a shift state space, which is a short convolution; keys times values pass a diagonal one; queries read it.

    A head of `head_dim` channels keeps the outer product of its keys and values; all its products decay alike.
    """

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "state space"
    title: ClassVar[str] = "H3 (hungry hungry hippos)"
    source: ClassVar[str] = "arXiv 2212.14052"
    equation: ClassVar[str] = "y = W_out (q * SSM_diag(SSM_shift(k) v^T)), q, k, v = W x"
    formulas: ClassVar[Formulas] = Formulas(
        where="N = state_size, c = shift_width, h = head_dim, M = 4 d^2",
        params="M + d c + (d / h) (2 N + 2)",
        flops="2 M + 2 d c + 2 d h N",
        state="(d h N + d c) b",
        options="FLOPs: + 2 d h with h above 1.",
    )
    oracle: ClassVar[str] = "the definition with both state spaces as matrices over time, in float64"

    kind: Literal["h3"] = "h3"
    state_size: Annotated[int, Field(ge=2, le=1024)] = 64
    """Numbers the diagonal state space keeps of each product, N: real and imaginary parts of N / 2 states."""
    shift_width: Annotated[int, Field(ge=2, le=64)] = 4
    """States of the shift state space: tokens that a key may come from."""
    head_dim: Annotated[int, Field(ge=1, le=256)] = 1
    """Channels of a head; its state grows with the square."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """States are complex pairs; heads divide the width."""
        if self.state_size % 2:
            yield Problem("state_size", f"{self.state_size} must be even: half the states are conjugates of the other half")
        if d_model % self.head_dim:
            yield Problem("head_dim", f"{self.head_dim} must divide the width {d_model}")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Four projections, the taps, a read of every state, and, with outer products, a query's read of them."""
        projections, taps = 4 * d_model * d_model, d_model * self.shift_width
        states = d_model * self.head_dim * self.state_size
        read = 2 * d_model * self.head_dim if self.head_dim > 1 else 0
        # A, C, a step and a skip for each head
        params = projections + taps + d_model // self.head_dim * (2 * self.state_size + 2)
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * (projections + taps + states) + read,
            state_bytes=(states + taps) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`h3·64` keeps 64 numbers per product; `h3·64x8` has heads of 8 channels."""
        return f"h3·{self.state_size}" + (f"x{self.head_dim}" if self.head_dim > 1 else "")
