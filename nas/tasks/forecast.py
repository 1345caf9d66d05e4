"""What tasks that foretell measurements have in common."""

import math
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from nas.tasks.task import Task, TaskMetric


class ForecastTask(Task):
    """The next values of every channel from those so far, as a normalised squared error.

    That is sum (x - predicted)^2 / sum x^2 over all values of the set, which are standardised: 1 for the mean, 0 for the truth.
    """

    metric: ClassVar[str] = "normalised_squared_error"
    higher_is_better: ClassVar[bool] = False
    lowest: ClassVar[float] = 0

    sequence_length: Annotated[int, Field(ge=8, le=65_536)] = 64
    """Values that are read, and as many that are foretold, each one step later."""
    horizon: Annotated[int, Field(ge=2, le=256)] = 8
    """Steps that the model also foretells from its own predictions, from one place in each sequence."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 128
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 256
    """Sequences that the reported value is taken on."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.horizon >= self.sequence_length:
            raise ValueError(f"horizon {self.horizon} must be less than sequence_length {self.sequence_length}")
        return self

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """Beside the simplest forecast, and further ahead."""
        return (
            TaskMetric("persistence_ratio", "Squared error over that of repeating the last value", higher_is_better=False),
            TaskMetric(
                f"error@horizon={self.horizon}", "Normalised squared error, so many steps ahead", higher_is_better=False
            ),
        )

    def chance(self) -> float:
        """The error of the mean, which is 0."""
        return 1.0

    def score(self, value: float) -> float:
        """1 minus the normalised root mean square error, 0 for the mean or worse: the root still tells small errors apart."""
        return max(0.0, 1 - math.sqrt(max(0.0, value)))
