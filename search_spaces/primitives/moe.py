"""Mixture of SwiGLU experts: coarse, fine-grained, with shared and with zero experts; balanced by loss or by bias.

Switch (arXiv 2101.03961), GLaM (2112.06905), Mixtral (2401.04088), DeepSeekMoE (2401.06066), auxiliary-loss-free balancing
(2408.15664), zero-computation experts (2410.07348, LongCat 2509.01322).
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role

MAX_SHARED_WIDTH = 262_144
COUNTER_BYTES = 4


class MoE(Primitive):
    """`top_k` of `n_experts` SwiGLU experts of width `d_expert` per token, plus `n_shared` that every token uses.

    balance "loss": softmax scores; auxiliary loss `balance_rate` * E * sum f_i P_i, with f_i the share of choices and P_i the
    mean score of expert i. balance "bias": sigmoid scores, chosen by score + bias, weighted by score; after a training step
    bias += `balance_rate` * sign(mean load - load). An expert's output counts by its score (see `normalise`).
    """

    role: ClassVar[Role] = "channel"
    family: ClassVar[Family] = "experts"
    title: ClassVar[str] = "Mixture of experts"
    source: ClassVar[str] = "arXiv 2101.03961, 2112.06905, 2401.04088, 2401.06066, 2408.15664, 2410.07348"
    equation: ClassVar[str] = (
        "y = scale * sum over the top_k experts i of weight_i(x) E_i(x) + sum over the shared experts E(x)"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="E = n_experts + n_zero, f = d_expert, M = 3 d f (top_k + n_shared) + d E",
        params="3 d f (n_experts + n_shared) + d E",
        flops="2 M",
        state="0",
        options=(
            "M is what a token uses, its active parameters. With shared_gate: M and params + d. State: 4 "
            "(n_experts + 1) bytes with capacity."
        ),
    )
    oracle: ClassVar[str] = "transformers: Mixtral, DeepSeek-V3, Switch, LongCat-Flash (zero experts)"

    kind: Literal["moe"] = "moe"
    n_experts: Annotated[int, Field(ge=2, le=4096)]
    """Routed experts."""
    top_k: Annotated[int, Field(ge=1, le=64)]
    """Routed experts that a token uses."""
    d_expert: Annotated[int, Field(ge=1, le=262_144)]
    """Hidden width of an expert."""
    n_shared: Annotated[int, Field(ge=0, le=64)] = 0
    """Experts that every token uses."""
    balance: Literal["loss", "bias"] = "loss"
    """What keeps the experts evenly used: an auxiliary loss, or a bias on the choice that training moves."""
    balance_rate: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Weight of the loss, or step of the bias."""
    normalise: bool | None = None
    """Whether the weights of the chosen experts are scaled to sum to 1. None: with balance loss, not with balance bias."""
    scale: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Factor on the routed experts' sum."""
    capacity: Annotated[float, Field(ge=1, le=16)] | None = None
    """Switch's capacity factor: by token t an expert has taken at most ceil(capacity K/E (t + 1)) of a sequence's choices;
    a choice beyond that is dropped. None: no limit."""
    n_zero: Annotated[int, Field(ge=0, le=4096)] = 0
    """Experts, chosen like the others, that return their input and cost nothing."""
    shared_gate: bool = False
    """Whether the shared experts' output is multiplied by a sigmoid of one number computed from the token."""

    @model_validator(mode="after")
    def _plain_normalise(self) -> Self:
        """What holds anyway is left out: one form for one model."""
        if self.normalise is not None and self.normalise == (self.balance == "loss"):
            object.__setattr__(self, "normalise", None)
        return self

    def problems(self, d_model: int) -> Iterator[Problem]:
        """A token cannot choose more experts than there are; the shared experts together are one feed-forward."""
        if self.top_k > self.n_experts:
            yield Problem("top_k", f"{self.top_k} must be at most n_experts {self.n_experts}")
        if self.n_shared * self.d_expert > MAX_SHARED_WIDTH:
            yield Problem("n_shared", f"{self.n_shared} x d_expert {self.d_expert} must be at most {MAX_SHARED_WIDTH}")
        if self.shared_gate and not self.n_shared:
            yield Problem("shared_gate", "needs n_shared of at least 1; or leave it out")

    @property
    def normalised(self) -> bool:
        """`normalise`, decided."""
        return self.balance == "loss" if self.normalise is None else self.normalise

    @property
    def capacity_share(self) -> float:
        """Share of the tokens that one expert takes at most; infinite without a capacity."""
        return float("inf") if self.capacity is None else self.capacity * self.top_k / self.n_experts

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """All experts are parameters; `top_k` + shared ones and the router are active, zero experts counted as full ones."""
        router, expert = d_model * (self.n_experts + self.n_zero), 3 * d_model * self.d_expert
        gate = d_model if self.shared_gate else 0
        active = router + gate + (self.top_k + self.n_shared) * expert
        return Cost(
            params=router + gate + (self.n_experts + self.n_shared) * expert,
            active_params=active,
            flops_per_token=2 * active,
            state_bytes=0 if self.capacity is None else COUNTER_BYTES * (self.n_experts + 1),
        )

    def label(self) -> str:
        """`moe8k2x64` is top-2 of 8 experts of width 64; `+1` one shared expert, `+2z` two zero experts, `c1.25` a capacity."""
        shared = f"+{self.n_shared}" if self.n_shared else ""
        zero = f"+{self.n_zero}z" if self.n_zero else ""
        capacity = "" if self.capacity is None else f"c{self.capacity:g}"
        return f"moe{self.n_experts}k{self.top_k}x{self.d_expert}{shared}{zero}{capacity}"
