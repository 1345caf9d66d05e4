"""Softmax attention of every token with every other, later ones included: the encoder's mixer (arXiv 1706.03762)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class BidirectionalAttention(Primitive):
    """Attention without a mask, for tasks that show the whole sequence before anything is asked."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "encoder"
    causal: ClassVar[bool] = False
    is_attention: ClassVar[bool] = True
    title: ClassVar[str] = "Bidirectional attention"
    source: ClassVar[str] = "arXiv 1706.03762, 1810.04805 (BERT)"
    equation: ClassVar[str] = "o_t = sum_j softmax_j(q_t^T k_j / sqrt(head_dim)) v_j over all j, y = W_O o"
    formulas: ClassVar[Formulas] = Formulas(
        where="H = n_heads, Hk = n_kv_heads, dh = head_dim, M = d (H + 2 Hk) dh + H dh d",
        params="M",
        flops="2 M + 4 H dh L",
        state="0",
        options="Params: + 2 dh with qk_norm. FLOPs are those of one forward over L tokens.",
    )
    oracle: ClassVar[str] = "transformers ModernBertAttention, and torch's attention without a mask"

    kind: Literal["bidirectional_attention"] = "bidirectional_attention"
    n_heads: Annotated[int, Field(ge=1, le=256)]
    """Query heads."""
    n_kv_heads: Annotated[int, Field(ge=1, le=256)]
    """Key and value heads, each shared by n_heads / n_kv_heads query heads."""
    head_dim: Annotated[int, Field(ge=1, le=512)]
    """Channels of each head."""
    rope: bool = True
    """Whether queries and keys are turned by rotary positions; without, the mixer sees a set of tokens."""
    qk_norm: bool = False
    """RMSNorm over each head's queries and keys."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Key/value heads must divide the heads; rotary positions need an even head size."""
        if self.n_heads % self.n_kv_heads:
            yield Problem("n_kv_heads", f"{self.n_kv_heads} must divide n_heads {self.n_heads}")
        if self.rope and self.head_dim % 2:
            yield Problem("head_dim", f"{self.head_dim} must be even for rotary positions, or set rope to false")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, and every token's scores and average over the whole sequence."""
        inner, kv = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim
        projections = d_model * (inner + 2 * kv) + inner * d_model
        params = projections + (2 * self.head_dim if self.qk_norm else 0)
        flops = 2 * projections + 4 * inner * context.context_length
        return Cost(params=params, active_params=params, flops_per_token=flops)

    def label(self) -> str:
        """`biattn8/2` is 8 heads sharing 2 key/value heads."""
        return f"biattn{self.n_heads}/{self.n_kv_heads}" + ("" if self.rope else "·nope")
