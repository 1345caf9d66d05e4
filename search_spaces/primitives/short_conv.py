"""Gated short convolution, the LFM2 block: y = W_out (C * conv_w(B * x))."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class ShortConv(Primitive):
    """[B, C, x] = W_in u; a causal depthwise convolution of width `width` over B * x, gated by C."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "convolution"
    title: ClassVar[str] = "Gated short convolution"
    source: ClassVar[str] = "arXiv 2511.23404 (LFM2)"
    equation: ClassVar[str] = (
        "[B_t, C_t, x_t] = W_in u_t; y_t = W_out (C_t * sum over lags i < width of h_i * B_{t-i} * x_{t-i})"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="M = 4 d^2",
        params="M + d width",
        flops="2 M + 2 d width",
        state="d width b",
    )
    oracle: ClassVar[str] = "transformers: LFM2"

    kind: Literal["short_conv"] = "short_conv"
    width: Annotated[int, Field(ge=2, le=64)] = 3
    """Taps of the convolution, in tokens."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Two projections, the depthwise taps, and the inputs the convolution still needs."""
        projections, taps = 4 * d_model * d_model, d_model * self.width
        return Cost(
            params=projections + taps,
            active_params=projections + taps,
            flops_per_token=2 * (projections + taps),
            state_bytes=taps * context.bytes_per_element,
        )

    def label(self) -> str:
        """`conv3` is a width of 3 tokens."""
        return f"conv{self.width}"
