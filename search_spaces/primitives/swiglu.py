"""SwiGLU, the dense channel part: y = W_down (silu(W_gate x) * W_up x) (arXiv 2002.05202)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Primitive, Problem, Role


class SwiGLU(Primitive):
    """Three matrices of `d_model` x `d_ff`, no biases."""

    role: ClassVar[Role] = "channel"
    title: ClassVar[str] = "SwiGLU feed-forward"
    source: ClassVar[str] = "arXiv 2002.05202"

    kind: Literal["swiglu"] = "swiglu"
    d_ff: Annotated[int, Field(ge=1, le=262_144)]

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """3 d_model d_ff weights, all of them used by every token."""
        params = 3 * d_model * self.d_ff
        return Cost(params=params, active_params=params, flops_per_token=2 * params)

    def label(self) -> str:
        """`ffn128` is a hidden width of 128."""
        return f"ffn{self.d_ff}"
