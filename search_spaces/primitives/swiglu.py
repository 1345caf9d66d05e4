"""Gated feed-forward, the dense channel part: y = W_down (act(W_gate x) * W_up x) (SwiGLU and its kin, arXiv 2002.05202)."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class SwiGLU(Primitive):
    """Three matrices of `d_model` x `d_ff`, no biases; SwiGLU unless `activation` says otherwise."""

    role: ClassVar[Role] = "channel"
    family: ClassVar[Family] = "feed-forward"
    title: ClassVar[str] = "Gated feed-forward (SwiGLU, GeGLU, squared-ReLU gate)"
    source: ClassVar[str] = "arXiv 2002.05202, 2402.17764 (squared ReLU, sub-norm)"
    equation: ClassVar[str] = "y = W_down (act(W_gate x) * W_up x), only the n_active largest |act(W_gate x)| kept where set"
    formulas: ClassVar[Formulas] = Formulas(
        where="f = d_ff, M = 3 d f",
        params="M",
        flops="2 M",
        state="0",
        options="Params: + f with sub_norm. With n_active a token uses d f + 2 d n_active of M.",
    )
    oracle: ClassVar[str] = "transformers: Llama, RecurrentGemma (GeGLU), BitNet (squared ReLU, sub-norm)"

    kind: Literal["swiglu"] = "swiglu"
    d_ff: Annotated[int, Field(ge=1, le=262_144)]
    """Hidden width."""
    activation: Literal["silu", "gelu", "relu2"] = "silu"
    """Of the gate: SiLU, GELU (tanh form), or ReLU squared."""
    sub_norm: bool = False
    """RMSNorm on the hidden vector before W_down."""
    n_active: Annotated[int, Field(ge=1, le=262_144)] | None = None
    """Neurons that a token uses, those with the largest gates; the others count as zero. None: all."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Only neurons that exist can be active."""
        if self.n_active is not None and self.n_active >= self.d_ff:
            yield Problem("n_active", f"{self.n_active} must be below d_ff {self.d_ff}; or leave it out for all")
        if self.n_active is not None and self.sub_norm:
            yield Problem("sub_norm", "would average over neurons that count as zero; leave sub_norm or n_active out")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """3 d_model d_ff weights; of the up and down matrices a token uses the active neurons only."""
        gate, norm = d_model * self.d_ff, self.d_ff if self.sub_norm else 0
        used = gate + 2 * d_model * (self.n_active or self.d_ff)
        return Cost(params=3 * gate + norm, active_params=used + norm, flops_per_token=2 * used)

    def label(self) -> str:
        """`ffn128` is a hidden width of 128; `k16` 16 active neurons."""
        name = {"silu": "ffn", "gelu": "geglu", "relu2": "reglu²"}[self.activation]
        return f"{name}{self.d_ff}" + (f"k{self.n_active}" if self.n_active else "")
