"""What every task document is: a data generator's settings and metrics, without the generator.

The generator is `workers/tasks/NAME.py`: a pure function of these settings and a seed.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from search_spaces.document import Document

VocabSize = Annotated[int, Field(ge=4, le=65_536)]
SequenceLength = Annotated[int, Field(ge=8, le=65_536)]


@dataclass(frozen=True, slots=True)
class TaskMetric:
    """One number that a task reports beside its own metric, such as `accuracy@length=256`."""

    name: str
    title: str
    higher_is_better: bool
    unit: str = ""


def beyond_metrics(metric: str, higher_is_better: bool, names: Sequence[str], sequence_length: int) -> tuple[TaskMetric, ...]:
    """A task's metric on its further test sets, `metric@name`; with longer ones (`length=256`) what is lost on the longest."""
    title = metric.replace("_", " ").capitalize()
    own = tuple(TaskMetric(f"{metric}@{name}", f"{title} at {name.replace('=', ' ')}", higher_is_better) for name in names)
    if all((length_of(name) or 0) <= sequence_length for name in names):
        return own
    return (*own, TaskMetric("extrapolation_gap", "Score lost on the longest sequences", higher_is_better=False))


def length_of(name: str) -> int | None:
    """The length that the name of a further test set says: 256 of `length=256` and `length=256,pairs=32`."""
    length = re.match(r"length=(\d+)", name)
    return int(length[1]) if length else None


class Task(Document):
    """Base of all tasks. Subclasses add `name: Literal[...] = ...` and their knobs."""

    title: ClassVar[str]
    source: ClassVar[str]
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool]
    lowest: ClassVar[float] = -math.inf
    highest: ClassVar[float] = math.inf
    """Where the metric is known to stay between: bounds outside are refused before anything is trained."""
    generator: ClassVar[str] = ""
    """Where a task of an installed package has its generator, `package.module:Class`, which only workers import."""

    name: str
    sequence_length: int

    @property
    def causal(self) -> bool:
        """Whether a token's target may be told from that token and those before it only: a later one would give it away."""
        return True

    @property
    def tokens(self) -> int:
        """Different tokens that a model of it must read and predict; 0 for a task of measurements."""
        return 0

    @property
    def channels(self) -> int:
        """Numbers at each time that a model of it reads and predicts; 0 for a task of tokens."""
        return 0

    @property
    def least_steps(self) -> int:
        """Optimiser steps of the shortest training that makes sense."""
        return 1

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """What it reports beside `metric`."""
        return ()

    @abstractmethod
    def chance(self) -> float:
        """The metric's value for a predictor that has learnt nothing."""

    @abstractmethod
    def score(self, value: float) -> float:
        """The metric on a scale where 1 is perfect, 0 is worthless and higher is better."""


class TokenTask(Task):
    """A task of tokens."""

    vocab_size: int

    @property
    def tokens(self) -> int:
        """The vocabulary."""
        return self.vocab_size


class RecallTask(TokenTask):
    """A task of tokens whose metric is the share of its targets that have the largest logit."""

    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    lowest: ClassVar[float] = 0
    highest: ClassVar[float] = 1

    def further_metrics(self) -> tuple[TaskMetric, ...]:
        """The mean over the tokens that are ever a target, each counting the same: what torchmetrics calls macro accuracy."""
        return (TaskMetric("macro_accuracy", "Accuracy, mean over target tokens", higher_is_better=True),)

    def score(self, value: float) -> float:
        """Accuracy itself."""
        return value


class SampledRecall(RecallTask):
    """A recall task whose sequences are drawn at random: fresh ones for every step, or a fixed training set."""

    n_train: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Sequences of a fixed training set, in epochs that each permute it; none draws fresh ones for every step."""
    n_validation: Annotated[int, Field(ge=16, le=100_000)] = 512
    """Sequences that choose the learning rate."""
    n_test: Annotated[int, Field(ge=16, le=100_000)] = 1280
    """Sequences that the reported value is taken on."""
