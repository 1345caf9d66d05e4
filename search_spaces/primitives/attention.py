"""Softmax attention: multi-head, grouped-query, multi-query; full or sliding window.

Vaswani et al. (arXiv 1706.03762), GQA (2305.13245), MQA (1911.02150), Longformer's window (2004.05150).
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Primitive, Problem, Role


class Attention(Primitive):
    """softmax(Q K^T / sqrt(head_dim) + causal mask) V with `n_kv_heads` shared key/value heads.

    A key at distance `t - j` is visible iff it is at least 0 and, with a window, below `window`.
    """

    role: ClassVar[Role] = "mixer"
    title: ClassVar[str] = "Softmax attention (MHA, GQA, MQA; full or sliding window)"
    source: ClassVar[str] = "arXiv 1706.03762, 2305.13245, 1911.02150, 2004.05150"

    kind: Literal["attention"] = "attention"
    n_heads: Annotated[int, Field(ge=1, le=256)]
    n_kv_heads: Annotated[int, Field(ge=1, le=256)]
    head_dim: Annotated[int, Field(ge=2, le=512)]
    window: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    rope: bool = True
    qk_norm: bool = False

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Key/value heads must divide the heads; rotary positions need an even head size."""
        if self.n_heads % self.n_kv_heads:
            yield Problem("n_kv_heads", f"{self.n_kv_heads} must divide n_heads {self.n_heads}")
        if self.rope and self.head_dim % 2:
            yield Problem("head_dim", f"{self.head_dim} must be even for rotary positions, or set rope to false")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the visible keys and values, and the cache that decoding keeps."""
        inner, kv = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim
        projections = d_model * (inner + 2 * kv) + inner * d_model
        params = projections + (2 * self.head_dim if self.qk_norm else 0)
        length, window = context.context_length, min(self.window or context.context_length, context.context_length)
        # token t sees min(t, window) keys: the sum over t = 1..length, then the mean, rounded up
        visible_sum = window * (window + 1) // 2 + (length - window) * window
        mixing = -(-4 * inner * visible_sum // length)
        cached_tokens = length if self.window is None else min(length, self.window - 1)
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections + mixing,
            state_bytes=2 * kv * cached_tokens * context.bytes_per_element,
        )

    def label(self) -> str:
        """`attn8/2` is 8 heads sharing 2 key/value heads; `w64` a window of 64 tokens."""
        window = f"w{self.window}" if self.window else ""
        return f"attn{self.n_heads}/{self.n_kv_heads}{window}" + ("" if self.rope else "·nope")
