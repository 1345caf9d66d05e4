"""RWKV-7's time-mix (Goose): a state that forgets by channel, and removes what it holds under one key (arXiv 2503.14456).

The value residual of deeper layers, which mixes in the first layer's values, is left out.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class RWKV7(Primitive):
    """A generalised delta rule: the removal key, how much is replaced in each channel, and the decay are vectors."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "recurrence"
    title: ClassVar[str] = "RWKV-7 time-mix (Goose)"
    source: ClassVar[str] = "arXiv 2503.14456"
    equation: ClassVar[str] = (
        "S_t = (diag(w_t) - (a_t * h_t) h_t^T) S_{t-1} + k_t v_t^T, w = exp(-e^(-1/2) sigmoid(.)), h the removal key of "
        "length 1, k = k' (1 + (a - 1) m); out = W_o (g * (norm(r_t^T S_t) + (r * p * k summed) v))"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="a = n_heads head_dim, R = decay_rank + replace_rank + gate_rank, M = 4 d a + R (d + a)",
        params="M + 6 d + 7 a",
        flops="2 M + 8 a head_dim",
        state="(d + a head_dim) b",
    )
    oracle: ClassVar[str] = "the published DPLR step loop in float64; the whole time-mix by the paper's equations in NumPy"

    kind: Literal["rwkv7"] = "rwkv7"
    n_heads: Annotated[int, Field(ge=1, le=1024)]
    """Heads, each with a state of its own."""
    head_dim: Annotated[int, Field(ge=2, le=1024)]
    """Size of a head's keys and values, in channels."""
    decay_rank: Annotated[int, Field(ge=1, le=4096)] = 32
    """Rank of the projection that makes each token's decays."""
    replace_rank: Annotated[int, Field(ge=1, le=4096)] = 32
    """Rank of the projection that says how much of what is found under the removal key each channel replaces."""
    gate_rank: Annotated[int, Field(ge=1, le=4096)] = 32
    """Rank of the projection that makes the output's gate."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    @property
    def width(self) -> int:
        """Channels of all heads together."""
        return self.n_heads * self.head_dim

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections; a state is read twice and written twice; mixes, biases, keys' factors and norms; the last token."""
        width = self.width
        matrices = 4 * d_model * width + (self.decay_rank + self.replace_rank + self.gate_rank) * (d_model + width)
        # six token mixes; biases of decay and replacement, factors of both keys and of the bonus, the norm's two
        vectors = 6 * d_model + 7 * width
        return Cost(
            params=matrices + vectors,
            active_params=matrices + vectors,
            flops_per_token=2 * matrices + 8 * width * self.head_dim,
            state_bytes=(width * self.head_dim + d_model) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`rwkv7·4x16` has 4 heads of 16."""
        return f"rwkv7·{self.n_heads}x{self.head_dim}"
