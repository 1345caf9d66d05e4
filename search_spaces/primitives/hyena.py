"""Hyena: long convolutions whose filters are functions of time, and gates between them (arXiv 2302.10866)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role

FILTER_LAYERS = 3
"""Sine layers of the filter network."""


class Hyena(Primitive):
    """`order` times in turn: a convolution over the whole past, then a product with a projection of the input.

    A filter's value at a lag is a small sine network of features of the lag, times a window that falls exponentially, faster
    in some channels than in others. Any lag has a value, so sequences may be of any length.
    """

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "convolution"
    title: ClassVar[str] = "Hyena (gated long convolutions)"
    source: ClassVar[str] = "arXiv 2302.10866"
    equation: ClassVar[str] = (
        "z_1 = v, z_{n+1} = x_n * (h_n conv z_n + b_n z_n), y = W_out z_{order+1}; v, x_1 .. x_order = conv_c(W x); "
        "h(t) = window(t) W_2 sin(w * (.. sin(w * W_1 [t, cos, sin])))"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="o = order, F = filter_order, c = conv_width, M = (o + 2) d^2, N = (emb_dim + 2 F + o d) F",
        params="M + N + (o + 1) d (c + 1) + o d + 4 F",
        flops="2 M + 2 N + 2 (o + 1) d c + o d (L + 1)",
        state="(2 o d L + (o + 1) d c) b",
        options="N makes one value of every filter. Half of the state that grows is the filters.",
    )
    oracle: ClassVar[str] = "the definition with filters as matrices over time, in float64"

    kind: Literal["hyena"] = "hyena"
    order: Annotated[int, Field(ge=1, le=8)] = 2
    """Long convolutions, each with its gate."""
    filter_order: Annotated[int, Field(ge=1, le=1024)] = 64
    """Hidden width of the network that makes the filters, F."""
    emb_dim: Annotated[int, Field(ge=3, le=129)] = 3
    """Features of a lag, e: the lag itself, then cosines and sines that fit 1 .. (e - 1) / 2 times into max_length."""
    max_length: Annotated[int, Field(ge=2, le=1_048_576)] = 1024
    """The lag, in tokens, that the features call 1; the windows fall to 1 % at 0.3 to 1.5 of it."""
    conv_width: Annotated[int, Field(ge=2, le=16)] = 3
    """Taps of the convolution over the projections, in tokens."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Frequencies come as a cosine and a sine."""
        if self.emb_dim % 2 == 0:
            yield Problem("emb_dim", f"{self.emb_dim} must be odd: the lag, then cosines and sines in pairs")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections; one new filter value and the products with the whole past a token; inputs and filters kept."""
        projections, channels = (self.order + 2) * d_model * d_model, (self.order + 1) * d_model
        filters, tail = self.order * d_model, channels * self.conv_width
        hidden = (FILTER_LAYERS - 1) * self.filter_order**2
        network = self.emb_dim * self.filter_order + hidden + self.filter_order * filters
        # biases of convolutions, sine layers and filters; the frequencies of the sines
        vectors = channels + FILTER_LAYERS * self.filter_order + filters + self.filter_order
        params = projections + tail + network + vectors
        return Cost(
            params=params,
            active_params=params,
            # token t, counted from 1, takes t products in every filter: (L + 1) / 2 on average, 2 FLOPs each
            flops_per_token=2 * (projections + tail + network) + filters * (context.context_length + 1),
            state_bytes=(2 * filters * context.context_length + tail) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`hyena2·64` has two long convolutions with filters from a network of width 64."""
        return f"hyena{self.order}·{self.filter_order}"
