"""S4D: a diagonal linear state space with constant coefficients, trained as one long convolution (arXiv 2206.11893)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class S4D(Primitive):
    """Every channel is a sum of `state_size` / 2 complex exponentials of its past, then GELU and a gated linear output.

    The continuous system x' = A x + u, y = 2 Re(C x) + D u is discretised with a step of each channel's own (zero-order hold).
    """

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "state space"
    title: ClassVar[str] = "S4D (diagonal state space)"
    source: ClassVar[str] = "arXiv 2206.11893, 2111.00396"
    equation: ClassVar[str] = (
        "x_t = exp(s A) x_{t-1} + (exp(s A) - 1) / A u_t, y_t = 2 Re(C x_t) + D u_t; out = GLU(W gelu(y) + b)"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="N = state_size, M = 2 d^2",
        params="M + d (2 N + 2) + 2 d",
        flops="2 M + 2 d N",
        state="d N b",
    )
    oracle: ClassVar[str] = "the published kernel formula, and the recurrence by zero-order hold, both in float64"

    kind: Literal["s4d"] = "s4d"
    state_size: Annotated[int, Field(ge=2, le=1024)] = 64
    """Numbers each channel keeps, N: real and imaginary parts of N / 2 states."""
    frequencies: Literal["linear", "inverse"] = "linear"
    """Imaginary parts of A at the start: pi n (S4D-Lin), or (N / pi) (N / (2 n + 1) - 1) (S4D-Inv)."""
    min_step: Annotated[float, Field(gt=0, le=1)] = 0.001
    """Smallest step at the start; a channel remembers about 1 / step tokens."""
    max_step: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Largest step at the start."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """States are complex pairs; the steps are a range."""
        if self.state_size % 2:
            yield Problem("state_size", f"{self.state_size} must be even: half the states are conjugates of the other half")
        if self.min_step > self.max_step:
            yield Problem("min_step", f"{self.min_step} must be at most max_step {self.max_step}")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """The gated output, a read of every state, and the coefficients."""
        states, output = d_model * self.state_size, 2 * d_model * d_model
        # A and C; a step and a skip for each channel; the bias of the output
        params = 2 * states + 2 * d_model + output + 2 * d_model
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * output + 2 * states,
            state_bytes=states * context.bytes_per_element,
        )

    def label(self) -> str:
        """`s4d·64` keeps 64 numbers per channel; `inv` for S4D-Inv."""
        return f"s4d·{self.state_size}" + ("inv" if self.frequencies == "inverse" else "")
