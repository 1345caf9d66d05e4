"""An external memory with content addressing: the neural Turing machine's read, erase and add (arXiv 1410.5401).

Each token writes to slots that look like its key, then reads slots the same way; both are soft, so gradients pass. With
`allocation`, writing may go to the least used slots instead, as in the differentiable neural computer.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from search_spaces.primitives.primitive import Cost, CostContext, Family, Formulas, Primitive, Problem, Role


class MemorySlots(Primitive):
    """`n_slots` learned vectors that the tokens rewrite; tokens are taken one after another, also in training."""

    role: ClassVar[Role] = "mixer"
    family: ClassVar[Family] = "memory"
    title: ClassVar[str] = "Memory slots with content addressing (NTM, DNC, Memory Networks)"
    source: ClassVar[str] = "arXiv 1410.5401 (NTM), doi 10.1038/nature20101 (DNC), arXiv 1410.3916 (Memory Networks)"
    equation: ClassVar[str] = (
        "w = softmax_slots(beta cos(k, M)), M <- M * (1 - w e^T) + w a^T, then r_h = softmax_slots(beta_h cos(k_h, M))^T M,\n"
        "y = W_O r\n"
        "allocation: w = g_w (g_a alloc + (1 - g_a) w), alloc_i = (1 - u_i) prod of u_j over the slots less used than i,\n"
        "then u <- (u + w - u w) prod_h (1 - f_h w_h), w_h the weights of read h"
    )
    formulas: ClassVar[Formulas] = Formulas(
        where="m = n_slots, w = slot_width, r = n_read, M = d (3 w + r w + 1 + r) + r w d",
        params="M + 1 + r + m w",
        flops="2 M + 2 m w (1 + 2 r)",
        state="m w b",
        options="With allocation: M + d (2 + r), params + 2 + r more, state + m b.",
    )
    oracle: ClassVar[str] = "the published equations, written again in numpy float64"

    kind: Literal["memory_slots"] = "memory_slots"
    n_slots: Annotated[int, Field(ge=2, le=4096)]
    """Vectors of the memory."""
    slot_width: Annotated[int, Field(ge=1, le=1024)]
    """Numbers of each slot."""
    n_read: Annotated[int, Field(ge=1, le=64)] = 1
    """Slots' averages that a token reads, each with a key of its own."""
    allocation: bool = False
    """Whether writing can go to the least used slots, and reading can free them."""

    def problems(self, d_model: int) -> Iterator[Problem]:
        """Fits any width."""
        return iter(())

    @property
    def n_gates(self) -> int:
        """Scalars of a token: a strength for each key; with allocation a write, an allocation and free gates."""
        return 1 + self.n_read + (2 + self.n_read if self.allocation else 0)

    def cost(self, d_model: int, context: CostContext) -> Cost:
        """Projections, the gates, the keys' likeness to the slots and the reads, and the memory."""
        inner, size = self.n_read * self.slot_width, self.n_slots * self.slot_width
        matrices = d_model * (3 * self.slot_width + inner + self.n_gates) + inner * d_model
        params = matrices + self.n_gates + size
        kept = size + (self.n_slots if self.allocation else 0)
        return Cost(
            params=params,
            active_params=params,
            flops_per_token=2 * matrices + 2 * size * (1 + 2 * self.n_read),
            state_bytes=kept * context.bytes_per_element,
        )

    def label(self) -> str:
        """`slots16x32` is 16 slots of 32 numbers; `r2` two reads; `·alloc` allocation."""
        reads = f"r{self.n_read}" if self.n_read > 1 else ""
        return f"slots{self.n_slots}x{self.slot_width}{reads}" + ("·alloc" if self.allocation else "")
