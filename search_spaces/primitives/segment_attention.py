"""Attention with a segment memory and relative positions: Transformer-XL (arXiv 1901.02860).

Tokens come in segments. A query sees its own segment up to itself, and the last tokens before the segment, through which no
gradient flows; how far it sees therefore depends on its place in the segment.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class SegmentAttention(Primitive):
    """Softmax attention over a segment and a memory of the tokens before it, with sinusoidal relative positions."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "attention"
    is_attention: ClassVar[bool] = True
    title: ClassVar[str] = "Segment memory with relative positions (Transformer-XL)"
    source: ClassVar[str] = "arXiv 1901.02860"
    equation: ClassVar[str] = (
        "score_ij = ((q_i + u)^T k_j + (q_i + v)^T W_R sinusoid(i - j)) / sqrt(head_dim), o_i = sum_j softmax_j(score_ij) v_j\n"
        "over j <= i in the segment of i, and the `memory` tokens before it, whose keys and values take x_j without gradient"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="H = n_heads, dh = head_dim, M = 5 d H dh, V = tokens that a token sees on average",
        params="M + 2 H dh",
        flops="2 M + (4 H dh + 2 H d) V",
        state="2 H dh (L mod segment + min(memory, L - L mod segment)) b",
    )
    oracle: ClassVar[str] = "transformers XLNetRelativeAttention, one segment after another with its memory"

    kind: Literal["segment_attention"] = "segment_attention"
    n_heads: Annotated[int, Field(ge=1, le=256)]
    """Attention heads."""
    head_dim: Annotated[int, Field(ge=1, le=512)]
    """Channels of each head."""
    segment: Annotated[int, Field(ge=1, le=1_000_000)]
    """Tokens of a segment."""
    memory: Annotated[int, Field(ge=0, le=1_000_000)]
    """Tokens before a segment that it sees."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the visible tokens, and the keys and values that the segment still needs."""
        inner, length = self.n_heads * self.head_dim, context.context_length
        projections = 5 * d_model * inner
        # content scores and averages; a position score is one product with the sinusoids for each head
        mixing = -(-(4 * inner + 2 * self.n_heads * d_model) * self._visible_sum(length) // length)
        in_segment = length % self.segment
        kept = in_segment + min(self.memory, length - in_segment)
        return Cost(
            params=projections + 2 * inner,
            active_params=projections + 2 * inner,
            flops_per_token=2 * projections + mixing,
            state_bytes=2 * inner * kept * context.bytes_per_element,
        )

    def _visible_sum(self, length: int) -> int:
        """Tokens that the first `length` tokens see, summed over them."""
        full, rest = divmod(length, self.segment)
        in_segment = full * self.segment * (self.segment + 1) // 2 + rest * (rest + 1) // 2
        # the memory of the first segments is what there is: 0, segment, 2 segment ...
        filling = min(full, self.memory // self.segment + 1)
        remembered = self.segment * filling * (filling - 1) // 2 + (full - filling) * self.memory
        return in_segment + self.segment * remembered + rest * min(self.memory, full * self.segment)

    def label(self) -> str:
        """`txl4·s32+64` is 4 heads, segments of 32 tokens and a memory of 64."""
        return f"txl{self.n_heads}·s{self.segment}+{self.memory}"
