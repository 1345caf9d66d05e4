"""The time-mix of RWKV-5 and RWKV-6 (Eagle and Finch): matrix states with a decay for every key channel (arXiv 2404.05892).

RWKV-5 has constant decays and constant token mixes; RWKV-6 makes both depend on the data, through low-rank projections.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class RWKV6(Primitive):
    """Heads read their states before they write; the token itself has a bonus; the output is normed by head and gated."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "recurrence"
    title: ClassVar[str] = "RWKV-5 and RWKV-6 time-mix (Eagle, Finch)"
    source: ClassVar[str] = "arXiv 2404.05892"
    equation: ClassVar[str] = (
        "S_t = diag(w_t) S_{t-1} + k_t v_t^T, o_t = r_t^T (S_{t-1} + diag(u) k_t v_t^T), w_t = exp(-exp(b + tanh(x A) B)); "
        "out = W_o (norm(o_t) * silu(g_t))"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="a = n_heads head_dim, M = 5 d a",
        params="M + 4 d + 4 a",
        flops="2 M + 4 a head_dim",
        state="(d + a head_dim) b",
        options=(
            "With decay_rank: M + decay_rank (d + a), params + d more, and a fifth mix. With shift_rank: M + 2 "
            "shift_rank d for each of the 4 or 5 mixes, params + d more."
        ),
    )
    oracle: ClassVar[str] = "the published step loop in float64; the whole time-mix by the paper's equations in NumPy"

    kind: Literal["rwkv6"] = "rwkv6"
    n_heads: Annotated[int, Field(ge=1, le=1024)]
    """Heads, each with a state of its own."""
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    """Size of a head's keys and values, in channels."""
    decay_rank: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Rank of the projection that makes each token's decays. None: they are constant (RWKV-5)."""
    shift_rank: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Rank of the projections that make each token's mixes with the token before. None: they are constant (RWKV-5)."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    @property
    def width(self) -> int:
        """Channels of all heads together."""
        return self.n_heads * self.head_dim

    @property
    def n_mixes(self) -> int:
        """Mixes of a token with the one before: for receptance, key, value, gate, and decays that depend on the token."""
        return 4 if self.decay_rank is None else 5

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections; a write and a read of every state; mixes, decays, bonuses and norms; states and the last token."""
        width = self.width
        matrices = 5 * d_model * width + (self.decay_rank or 0) * (d_model + width)
        matrices += 2 * self.n_mixes * (self.shift_rank or 0) * d_model
        # data-dependent mixes have one more constant mix, of what they depend on
        vectors = (self.n_mixes + (self.shift_rank is not None)) * d_model + 4 * width
        return Cost(
            params=matrices + vectors,
            active_params=matrices + vectors,
            flops_per_token=2 * matrices + 4 * width * self.head_dim,
            state_bytes=(width * self.head_dim + d_model) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`rwkv6·4x16` has 4 heads of 16; without a decay rank it is `rwkv5`."""
        return f"rwkv{5 if self.decay_rank is None else 6}·{self.n_heads}x{self.head_dim}"
