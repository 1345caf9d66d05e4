"""State tracking: word problems over finite groups (arXiv 2210.10749, 2404.08819)."""

import math
import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from nas.tasks.task import RecallTask, TaskMetric, beyond_metrics

MAX_ORDER = 360


class StateTracking(RecallTask):
    """Accuracy of the product of all group elements so far, asked for at every position.

    Elements are drawn evenly and independently; with them a walker is moved from state to state. Z2 is parity, Zm addition
    modulo m, Sn all permutations of n things and An the even ones; `x` joins two groups, as in A4xZ5. Sums modulo m and other
    solvable groups need little depth; S5 and A5 are not solvable, and are believed beyond any fixed depth of attention or of
    recurrences whose transition does not depend on the input. Early positions are easy; `final_accuracy` is that of the last.
    """

    title: ClassVar[str] = "State tracking in groups"
    source: ClassVar[str] = "arXiv 2404.08819"

    name: Literal["state_tracking"] = "state_tracking"
    group: Annotated[str, Field(max_length=16)] = "S5"
    """The group: Zm, Sn or An, or two of them joined by `x`; at most 360 elements."""
    vocab_size: Annotated[int, Field(ge=2, le=1_000_000)] = 120
    """At least the number of elements, each of which is a token."""
    sequence_length: Annotated[int, Field(ge=2, le=65_536)] = 32
    """Elements of a sequence."""
    test_lengths: Annotated[tuple[Annotated[int, Field(ge=2, le=65_536)], ...], Field(max_length=8)] = (64, 128)
    """Further lengths at which the trained model is tested."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 256
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Sequences that the reported value is taken on, at every length."""

    @field_validator("group")
    @classmethod
    def _known(cls, group: str) -> str:
        factors = group.split("x")
        if len(factors) > 2 or not all(re.fullmatch(r"Z([2-9]|[1-9]\d+)|S[2-5]|A[3-6]", factor) for factor in factors):
            raise ValueError("give Z2, Z3 ... , S2 to S5, A3 to A6, or two of them joined by x, such as A4xZ5")
        return group

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.order > MAX_ORDER:
            raise ValueError(f"{self.group} has {self.order} elements; at most {MAX_ORDER}")
        if self.vocab_size < self.order:
            raise ValueError(f"{self.group} needs vocab_size of at least {self.order}")
        if len({self.sequence_length, *self.test_lengths}) <= len(self.test_lengths):
            raise ValueError("test_lengths must differ from each other and from sequence_length")
        return self

    @property
    def factors(self) -> tuple[tuple[str, int], ...]:
        """Each group that takes part: its letter and its number."""
        return tuple((factor[0], int(factor[1:])) for factor in self.group.split("x"))

    @property
    def order(self) -> int:
        """Elements of the group."""
        return math.prod({"Z": n, "S": math.factorial(n), "A": math.factorial(n) // 2}[letter] for letter, n in self.factors)

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Accuracy at the last position, over all positions of other lengths, and what is lost on the longest."""
        final = TaskMetric("final_accuracy", "Accuracy at the last position", higher_is_better=True)
        names = [f"length={length}" for length in self.test_lengths]
        lengths = beyond_metrics(self.metric, self.higher_is_better, names, self.sequence_length)
        return (*super().further_metrics(), final, *lengths)

    def chance(self) -> float:
        """Every element is as likely."""
        return 1 / self.order
