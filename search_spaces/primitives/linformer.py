"""Linformer: attention to `rank` learned mixtures of all tokens, so that its cost is linear (arXiv 2006.04768)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class Linformer(Primitive):
    """Attention whose keys and values are mixed over time by learned matrices, which all heads share."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "encoder"
    causal: ClassVar[bool] = False
    is_attention: ClassVar[bool] = True
    title: ClassVar[str] = "Linformer"
    source: ClassVar[str] = "arXiv 2006.04768"
    equation: ClassVar[str] = (
        "y = W_O softmax(Q (E K)^T / sqrt(head_dim)) (F V), E and F in R^(rank x T): the first T columns of what is learned"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="H = n_heads, dh = head_dim, k = rank, M = 4 d H dh",
        params="M + 2 k max_length",
        flops="2 M + 8 H dh k",
        state="0",
        options="FLOPs are those of one forward.",
    )
    oracle: ClassVar[str] = "the published formula in float64"

    kind: Literal["linformer"] = "linformer"
    n_heads: Annotated[int, Field(ge=1, le=256)]
    """Attention heads."""
    head_dim: Annotated[int, Field(ge=1, le=512)]
    """Channels of each head."""
    rank: Annotated[int, Field(ge=1, le=4096)]
    """Mixtures of tokens that a query chooses from."""
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    """The longest sequence, in tokens: the matrices over time have one column for each."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """More mixtures than tokens save nothing."""
        if self.rank > self.max_length:
            yield Problem("rank", f"{self.rank} must be at most max_length {self.max_length}")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections; every token enters `rank` mixtures of keys and of values, and attends to as many."""
        inner = self.n_heads * self.head_dim
        projections = 4 * d_model * inner
        params = projections + 2 * self.rank * self.max_length
        return Cost(params=params, active_params=params, flops_per_token=2 * projections + 8 * inner * self.rank)

    def label(self) -> str:
        """`linformer4k16` is 4 heads and 16 mixtures."""
        return f"linformer{self.n_heads}k{self.rank}"
