"""Mixture of SwiGLU experts: coarse, fine-grained, with shared experts; balanced by loss or by bias.

Mixtral (arXiv 2401.04088), DeepSeekMoE (2401.06066), auxiliary-loss-free balancing (2408.15664).
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Primitive, Problem, Role

MAX_SHARED_WIDTH = 262_144


class MoE(Primitive):
    """`top_k` of `n_experts` SwiGLU experts of width `d_expert` per token, plus `n_shared` that every token uses.

    balance "loss": softmax scores, weights renormalised over the chosen; auxiliary loss
    `balance_rate` * E * sum f_i P_i, with f_i the share of choices and P_i the mean score of expert i.
    balance "bias": sigmoid scores, chosen by score + bias, weighted by score; after a training step
    bias += `balance_rate` * sign(mean load - load).
    """

    role: ClassVar[Role] = "channel"
    title: ClassVar[str] = "Mixture of experts"
    source: ClassVar[str] = "arXiv 2401.04088, 2401.06066, 2408.15664"

    kind: Literal["moe"] = "moe"
    n_experts: Annotated[int, Field(ge=2, le=4096)]
    top_k: Annotated[int, Field(ge=1, le=64)]
    d_expert: Annotated[int, Field(ge=1, le=262_144)]
    n_shared: Annotated[int, Field(ge=0, le=64)] = 0
    balance: Literal["loss", "bias"] = "loss"
    balance_rate: Annotated[float, Field(gt=0, le=1)] = 0.01

    def problems(self, d_model: int) -> Iterator[Problem]:
        """A token cannot choose more experts than there are; the shared experts together are one feed-forward."""
        if self.top_k > self.n_experts:
            yield Problem("top_k", f"{self.top_k} must be at most n_experts {self.n_experts}")
        if self.n_shared * self.d_expert > MAX_SHARED_WIDTH:
            yield Problem("n_shared", f"{self.n_shared} x d_expert {self.d_expert} must be at most {MAX_SHARED_WIDTH}")

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """All experts are parameters; `top_k` + shared ones and the router are active."""
        router, expert = d_model * self.n_experts, 3 * d_model * self.d_expert
        active = router + (self.top_k + self.n_shared) * expert
        return Cost(
            params=router + (self.n_experts + self.n_shared) * expert,
            active_params=active,
            flops_per_token=2 * active,
        )

    def label(self) -> str:
        """`moe8k2x64` is top-2 of 8 experts of width 64; `+1` one shared expert."""
        shared = f"+{self.n_shared}" if self.n_shared else ""
        return f"moe{self.n_experts}k{self.top_k}x{self.d_expert}{shared}"
