"""RWKV-4's time-mix: every channel keeps a decaying mean of its values, weighted by exp(key) (arXiv 2305.13048)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class RWKV4(Primitive):
    """Key, value and receptance are projections of the token mixed with the one before; the token itself has a bonus."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "recurrence"
    title: ClassVar[str] = "RWKV-4 time-mix"
    source: ClassVar[str] = "arXiv 2305.13048"
    equation: ClassVar[str] = (
        "wkv_t = (sum_{i<t} exp(k_i - (t - 1 - i) w) v_i + exp(u + k_t) v_t) / (the same without v); "
        "out = W_o (sigmoid(r_t) * wkv_t)"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="a = width or d, M = 4 d a",
        params="M + 3 d + 2 a",
        flops="2 M",
        state="(d + 3 a) b",
    )
    oracle: ClassVar[str] = "transformers: RWKV"

    kind: Literal["rwkv4"] = "rwkv4"
    width: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Channels that are averaged. None: d_model."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    def plain(self, d_model: int) -> Self:
        """Without a width that is d_model."""
        return self.model_copy(update={"width": None}) if self.width == d_model else self

    def channels(self, d_model: int) -> int:
        """`width`, decided."""
        return d_model if self.width is None else self.width

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Four projections, three token mixes, decays and bonuses; the last token, two sums and their exponents."""
        width = self.channels(d_model)
        projections = 4 * d_model * width
        params = projections + 3 * d_model + 2 * width
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * projections,
            state_bytes=(d_model + 3 * width) * context.bytes_per_element,
        )

    def label(self) -> str:
        """`rwkv4`, and its width where it is not d_model."""
        return "rwkv4" + (f"·{self.width}" if self.width else "")
