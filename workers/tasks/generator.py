"""What a task's data generator is: batches as pure functions of a seed, and the task's metrics.

Training, validation and test data never overlap: each generator says how it keeps them apart. Letters: B sequences, T
positions, V vocabulary, C channels.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from workers.batch import Batch
from workers.learner import Learner
from workers.model import Model

Split = Literal["validation", "test"]
"""What is measured on: sequences that choose, and those that the reported value is taken on."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A learner on a fixed set of sequences. values_B: the task's metric of each (float64); choices_BT: the token with the
    largest logit at each position (int64), for tasks of tokens; targets: the set's own."""

    learner: Learner
    values_B: torch.Tensor
    choices_BT: torch.Tensor | None
    targets: torch.Tensor


class Generator(ABC):
    """A task's data. Two generators with the same settings and seed give the same batches."""

    digest: str
    """SHA-256 of what the data is made from; two results are comparable only when it is equal."""

    @abstractmethod
    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """The batch of one training step; every replica sees a stream of its own."""

    @abstractmethod
    def validation(self) -> Batch:
        """The fixed sequences that choose the learning rate."""

    @abstractmethod
    def test(self) -> Batch:
        """The fixed sequences that the reported value is taken on."""

    def beyond(self, split: Split = "test") -> Mapping[str, Batch]:
        """Further sets, such as longer sequences by `length=256`; the metric is reported on each as `metric@name`.

        Those for validation have other sequences: a search that goes by them never sees test data.
        """
        return {}

    def learner(self, model: Model) -> Learner:
        """The model as this task trains it."""
        return Learner(model)

    @abstractmethod
    def sequence_values(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The metric of each sequence, shape (B,)."""

    def sequence_weights(self, targets: torch.Tensor) -> torch.Tensor:
        """How much each sequence counts in the task's value, their weighted mean; shape (B,)."""
        return torch.ones(len(targets), dtype=torch.float64, device=targets.device)

    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """What else the task reports of a fixed set."""
        return {}
