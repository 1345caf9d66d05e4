"""Mamba-1: a selective state space, whose step, input and output depend on the token (arXiv 2312.00752)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class Mamba(Primitive):
    """Every one of `expand` d_model channels keeps `state_size` numbers that decay at rates of their own.

    A convolution with SiLU comes before the scan, a SiLU gate after it. Unlike Mamba-2, whose heads forget as a whole.
    """

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "state space"
    title: ClassVar[str] = "Mamba-1 (selective state space)"
    source: ClassVar[str] = "arXiv 2312.00752, 2403.19887 (norms of Jamba)"
    equation: ClassVar[str] = (
        "h_t = exp(s_t A) * h_{t-1} + (s_t x_t) B_t^T, y_t = h_t C_t + D x_t, s = softplus(W_up W_down x + b); "
        "out = W_out (y * silu(gate))"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where=(
            "i = expand d, N = state_size, c = conv_width, R = dt_rank or ceil(d / 16), M = 2 d i + i (R + 2 N) + R i + i d"
        ),
        params="M + i c + i N + 3 i",
        flops="2 M + 2 i c + 4 i N",
        state="i (N + c) b",
        options="Params: + R + 2 N with bcdt_norm.",
    )
    oracle: ClassVar[str] = "transformers: Mamba, Jamba"

    kind: Literal["mamba"] = "mamba"
    expand: Annotated[int, Field(ge=1, le=8)] = 2
    """Inner channels for each channel of the stream."""
    state_size: Annotated[int, Field(ge=1, le=512)] = 16
    """Numbers each inner channel keeps, N."""
    conv_width: Annotated[int, Field(ge=2, le=16)] = 4
    """Taps of the convolution before the scan, in tokens."""
    dt_rank: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Width of the bottleneck that step sizes come through, R. None: d_model / 16, rounded up."""
    bcdt_norm: bool = False
    """RMSNorm on the step bottleneck, the input and the output vector (Jamba)."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def plain(self, d_model: int) -> Self:
        """Without the rank that it would have anyway."""
        return self.model_copy(update={"dt_rank": None}) if self.dt_rank == _usual_rank(d_model) else self

    def rank(self, d_model: int) -> int:
        """`dt_rank`, decided."""
        return _usual_rank(d_model) if self.dt_rank is None else self.dt_rank

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections; a write and a read of every state; taps, biases, rates, skips and norms; states and tail."""
        inner, rank, size = self.expand * d_model, self.rank(d_model), self.state_size
        projections = 2 * d_model * inner + inner * (rank + 2 * size) + rank * inner + inner * d_model
        tail = inner * self.conv_width
        # biases of the convolution and the steps, the skip, and the rates
        vectors = 3 * inner + inner * size + (rank + 2 * size if self.bcdt_norm else 0)
        params = projections + tail + vectors
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections + 2 * tail + 4 * inner * size,
            state_bytes=(inner * size + tail) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`mamba·2x16` is twice the width, with 16 states per channel; `n` has Jamba's norms."""
        return f"mamba·{self.expand}x{self.state_size}" + ("n" if self.bcdt_norm else "")


def _usual_rank(d_model: int) -> int:
    return -(-d_model // 16)
