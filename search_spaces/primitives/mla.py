"""Multi-head latent attention: keys and values are small projections of one latent vector for each token (arXiv 2405.04434).

Decoding keeps the latent and one rotary key that all heads share. It never expands them: the matrices that would do so move
to the other side of the products, into the queries and out of the averaged latents.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role

Rank = Annotated[int, Field(ge=1, le=8192)]


class MLA(Primitive):
    """Softmax attention through a latent of `kv_rank` numbers for each token, with a decoupled rotary key."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "attention"
    is_attention: ClassVar[bool] = True
    title: ClassVar[str] = "Multi-head latent attention (MLA) with decoupled rotary positions"
    source: ClassVar[str] = (
        "arXiv 2405.04434 (DeepSeek-V2), 2412.19437 (DeepSeek-V3); without positions Kimi-Linear, 2510.26692"
    )
    equation: ClassVar[str] = (
        "c = rms(W_D x), [k_n; v] = W_U c, k = [k_n; rope(W_R x)], [q_n; q_r] = W_Q x or W_QU rms(W_QD x);\n"
        "o_t = sum_j softmax_j([q_n; rope(q_r)]_t^T k_j / sqrt(nope_dim + rope_dim)) v_j over j <= t, y = W_O o"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where=(
            "H = n_heads, rk = kv_rank, dn = nope_dim, dr = rope_dim, dv = value_dim, M = d H (dn + dr) + d (rk + "
            "dr) + rk H (dn + dv) + H dv d"
        ),
        params="M + rk",
        flops="2 M + H (2 rk + dr) (L + 1)",
        state="(rk + dr) L b",
        options=(
            "With q_rank: q_rank (d + H (dn + dr)) in M in the place of d H (dn + dr), and + q_rank params. State: "
            "times kv_bits / 16. FLOPs are those of the absorbed form."
        ),
    )
    oracle: ClassVar[str] = "transformers DeepseekV3Attention (rotary) and KimiLinearAttention (without positions)"

    kind: Literal["mla"] = "mla"
    n_heads: Annotated[int, Field(ge=1, le=256)]
    """Query heads."""
    kv_rank: Rank
    """Size of the latent that keys and values are made of."""
    q_rank: Rank | None = None
    """Size of the latent that queries are made of; none: queries come straight from the input."""
    nope_dim: Annotated[int, Field(ge=1, le=512)]
    """Key channels of each head that come from the latent and know no position."""
    rope_dim: Annotated[int, Field(ge=0, le=512)]
    """Key channels that come straight from the input and are shared by all heads; 0 for none."""
    value_dim: Annotated[int, Field(ge=1, le=512)]
    """Value channels of each head."""
    rope: bool = True
    """Whether the shared key channels, and the queries' for them, are turned by rotary positions."""
    kv_bits: Literal[16, 8, 4, 2] = 16
    """Bits of each number of the cache. Below 16 the state shrinks, and outside training every token's latent and shared key
    are rounded to that many bits."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Rotary positions turn pairs of channels."""
        if self.rope and (self.rope_dim == 0 or self.rope_dim % 2):
            yield Problem("rope_dim", f"{self.rope_dim} must be even and at least 2 for rotary positions, or set rope to false")

    @property
    def query_dim(self) -> int:
        """Channels of a head's queries and keys."""
        return self.nope_dim + self.rope_dim

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the scores and averages of the cache by each head, and the cache."""
        heads, cached = self.n_heads, self.kv_rank + self.rope_dim
        query_rows = self.q_rank or d_model
        queries = query_rows * heads * self.query_dim + (self.q_rank or 0) * d_model
        expansion = self.kv_rank * heads * (self.nope_dim + self.value_dim)
        projections = queries + d_model * cached + expansion + heads * self.value_dim * d_model
        params = projections + self.kv_rank + (self.q_rank or 0)
        # each head scores the (L + 1) / 2 visible entries of the cache, and averages their latents
        mixing = heads * (context.context_length + 1) * (cached + self.kv_rank)
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections + mixing,
            state_bytes=-(-cached * context.context_length * context.bytes_per_element * self.kv_bits // 16),
        )

    def label(self) -> str:
        """`mla8r64` is 8 heads and a latent of 64; `·kv4` a cache of 4 bits."""
        bits = "" if self.kv_bits == 16 else f"·kv{self.kv_bits}"
        return f"mla{self.n_heads}r{self.kv_rank}" + ("" if self.rope else "·nope") + bits
