"""The recurrent block of Griffin: a real-gated linear recurrent unit beside a GELU gate (arXiv 2402.19427)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class RGLRU(Primitive):
    """Every channel keeps one number; input gate and decay are block-diagonal maps of the convolved input."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "recurrence"
    title: ClassVar[str] = "RG-LRU (Griffin's recurrent block)"
    source: ClassVar[str] = "arXiv 2402.19427"
    equation: ClassVar[str] = (
        "h_t = a_t h_{t-1} + sqrt(1 - a_t^2) (i_t * x_t), a_t = exp(-8 softplus(L) sigmoid(W_a x_t)), i_t = sigmoid(W_i x_t); "
        "out = W_o (h_t * gelu(gate))"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="w = width or d, c = conv_width, M = 3 d w + 2 w^2 / n_blocks",
        params="M + w c + 6 w + d",
        flops="2 M + 2 w c",
        state="w (1 + c) b",
    )
    oracle: ClassVar[str] = "transformers: RecurrentGemma"

    kind: Literal["rg_lru"] = "rg_lru"
    width: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Channels of the recurrence. None: d_model."""
    n_blocks: Annotated[int, Field(ge=1, le=1024)] = 1
    """Blocks of the gates' maps; each reads and writes its own channels."""
    conv_width: Annotated[int, Field(ge=2, le=16)] = 4
    """Taps of the convolution before the recurrence, in tokens."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Blocks are equal."""
        if self.channels(d_model) % self.n_blocks:
            yield Problem("n_blocks", f"{self.n_blocks} must divide the {self.channels(d_model)} channels of the recurrence")

    def plain(self, d_model: int) -> Self:
        """Without a width that is d_model."""
        return self.model_copy(update={"width": None}) if self.width == d_model else self

    def channels(self, d_model: int) -> int:
        """`width`, decided."""
        return d_model if self.width is None else self.width

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Three projections, taps and two gates, all with biases; a decay rate, a state and a tail for each channel."""
        width = self.channels(d_model)
        weights = 3 * d_model * width + width * self.conv_width + 2 * width * (width // self.n_blocks)
        # biases of the two inputs, the taps and the two gates, and the rate; the output's bias
        params = weights + 6 * width + d_model
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * weights,
            state_bytes=width * (1 + self.conv_width) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`rglru`, and its width where it is not d_model; `/4` has 4 blocks."""
        blocks = f"/{self.n_blocks}" if self.n_blocks > 1 else ""
        return "rglru" + (f"·{self.width}" if self.width else "") + blocks
