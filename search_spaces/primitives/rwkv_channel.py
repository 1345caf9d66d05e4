"""RWKV's channel-mix: a squared-ReLU feed-forward under a gate, of a token mixed with the one before (arXiv 2305.13048)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class RWKVChannel(Primitive):
    """The channel part of RWKV-4, 5 and 6; it remembers one token."""

    role: ClassVar[Role] = "channel"
    family: ClassVar[Family] = "feed-forward"
    title: ClassVar[str] = "RWKV channel-mix"
    source: ClassVar[str] = "arXiv 2305.13048"
    equation: ClassVar[str] = "y = sigmoid(W_r x_r) * W_v relu(W_k x_k)^2, x_k and x_r the token mixed with the one before"
    formulas: ClassVar[Formulas] = Formulas(
        where="f = d_ff, M = 2 d f + d^2",
        params="M + 2 d",
        flops="2 M",
        state="d b",
    )
    oracle: ClassVar[str] = "transformers: RWKV"

    kind: Literal["rwkv_channel"] = "rwkv_channel"
    d_ff: Annotated[int, Field(ge=1, le=262_144)]
    """Hidden width."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Three projections and two token mixes; the last token."""
        projections = 2 * d_model * self.d_ff + d_model**2
        params = projections + 2 * d_model
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections,
            state_bytes=d_model * context.bytes_per_element,
        )

    def label(self) -> str:
        """`rwkv-ffn128` is a hidden width of 128."""
        return f"rwkv-ffn{self.d_ff}"
