"""Continual learning: facts of a first task, then of a second, in one training; how much of the first is left?"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from nas.tasks.task import RecallTask, TaskMetric


class Continual(RecallTask):
    """Accuracy on two maps from keys to values, of which the first is trained for `switch_step` steps, then only the second.

    The last token says insert; of the others the lower half are keys, the upper half values, no two keys with one value. The
    first half of the keys is the first task's, the second half the second's, so one model can know both. A sequence is keys of
    one task, each followed by the insert token, at which the key's value is asked for; it stands nowhere (MAD's memorization,
    arXiv 2403.17844). Half of the validation and test sequences are the first task's.

    `ewc` is the weight of elastic weight consolidation (arXiv 1612.00796): from the switch on, ewc / 2 sum F (w - w*)^2 is
    added to the loss, w* being the weights at the switch and F the diagonal of the first task's Fisher information there.
    """

    title: ClassVar[str] = "Continual learning of two maps"
    source: ClassVar[str] = "arXiv 1612.00796, 2403.17844"

    name: Literal["continual"] = "continual"
    vocab_size: Annotated[int, Field(ge=9, le=1_000_000)] = 129
    """Tokens: keys and values of both tasks, and the insert token."""
    sequence_length: Annotated[int, Field(ge=2, le=65_536, multiple_of=2)] = 32
    """Tokens of a sequence, two for each key."""
    switch_step: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """Steps on the first task; every rung must have more."""
    ewc: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """0: nothing holds the weights."""
    n_validation: Annotated[int, Field(ge=16, le=100_000, multiple_of=2)] = 128
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000, multiple_of=2)] = 256
    """Sequences that the reported value is taken on."""

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if (self.vocab_size - 1) % 4:
            raise ValueError(f"vocab_size {self.vocab_size} must be 1 more than a multiple of 4: keys and values of two tasks")
        return self

    @property
    def n_keys(self) -> int:
        """Keys of both tasks, the first tokens."""
        return (self.vocab_size - 1) // 2

    @property
    def least_steps(self) -> int:
        """The second task needs a step too."""
        return self.switch_step + 1

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Both tasks by themselves; forgetting is the first one's accuracy at the switch minus that at the end."""
        return (
            *super().further_metrics(),
            TaskMetric("accuracy_first_before", "Accuracy on the first task at the switch", higher_is_better=True),
            TaskMetric("accuracy_first_after", "Accuracy on the first task at the end", higher_is_better=True),
            TaskMetric("accuracy_second", "Accuracy on the second task", higher_is_better=True),
            TaskMetric("forgetting", "Accuracy lost on the first task", higher_is_better=False),
        )

    def chance(self) -> float:
        """One value for every key."""
        return 1 / self.n_keys
