"""How a looped core runs: what joins its input in every loop, how many loops a token takes, and how many in evaluation."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from search_spaces.document import Document

MAX_LOOPS = 64
PONDER_WEIGHT = 0.01

Depth = Literal["fixed", "token_choice", "expert_choice", "halting"]
ROUTED_DEPTHS = ("token_choice", "expert_choice")
"""Those that leave tokens out of later loops."""


class Loop(Document):
    """Options of a core that runs more than once; without any, the core's output is simply its next input."""

    norm: bool = False
    """Normalise the stream before every loop but the first."""
    step_embedding: bool = False
    """Add a learned vector for each loop (Universal Transformer, arXiv 1807.03819); loops beyond the trained use the last."""
    shift: bool = False
    """A later loop reads the output that the loop before had one token earlier, so that all loops can run in parallel when
    decoding (parallel loop transformer, arXiv 2510.24824; LoopCoder-v2, 2606.18023). Needs injection."""
    depth: Depth = "fixed"
    """Which tokens go on. fixed: all. token_choice: a router gives each token its number of loops before the first;
    expert_choice: a router decides before every loop (Mixture-of-Recursions, arXiv 2507.10524); both keep to `capacities`,
    counted over the tokens so far, so the choice is causal. halting: all run, and a token's output is the mean of its loops'
    outputs, weighted by the halting probabilities (adaptive computation time, 1603.08983)."""
    capacities: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = None
    """The share of tokens that each loop but the first takes at most, not rising. None: 1 - r/R in loop r of R, from 0."""
    ponder_weight: Annotated[float, Field(gt=0, le=1)] | None = None
    """Weight of the mean number of loops in the training loss; only with depth halting, where None is 0.01."""
    eval_loops: Annotated[int, Field(ge=1, le=MAX_LOOPS)] | None = None
    """Loops in evaluation, decoding and cost, when it is not the number trained with."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.capacities is not None and not self.routed:
            raise ValueError(
                f"capacities: depth {self.depth!r} has none; use 'token_choice' or 'expert_choice', or leave it out"
            )
        if self.capacities is not None and list(self.capacities) != sorted(self.capacities, reverse=True):
            raise ValueError("capacities: must not rise from one loop to the next")
        if self.ponder_weight is not None and self.depth != "halting":
            raise ValueError(f"ponder_weight: depth {self.depth!r} does not halt; use 'halting', or leave it out")
        if self.depth != "fixed" and self.shift:
            raise ValueError(f"shift: all tokens must run every loop, not depth {self.depth!r}; set one of them back")
        if self.routed and self.eval_loops is not None:
            raise ValueError(f"eval_loops: depth {self.depth!r} has a router for each trained loop; leave it out")
        return self

    @property
    def routed(self) -> bool:
        """Whether later loops leave tokens out."""
        return self.depth in ROUTED_DEPTHS

    def plain(self, n_loops: int) -> Self:
        """The same without the options that say what holds anyway, so that equal models are equal documents."""
        said = {
            "eval_loops": self.eval_loops == n_loops,
            "capacities": self.capacities == tuple(1 - loop / n_loops for loop in range(1, n_loops)),
            "ponder_weight": self.ponder_weight == PONDER_WEIGHT,
        }
        return self.model_copy(update={field: None for field, anyway in said.items() if anyway}) if any(said.values()) else self

    def capacity(self, loop: int, n_loops: int) -> float:
        """The share of tokens that may enter 0-based `loop`; 1 where all do."""
        if loop == 0 or not self.routed:
            return 1.0
        return 1 - loop / n_loops if self.capacities is None else self.capacities[loop - 1]
