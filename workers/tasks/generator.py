"""What a task's data generator is: batches as pure functions of a seed, and the task's metric per sequence.

Shapes: B sequences, T tokens, V vocabulary. Targets of `IGNORED` count neither in the loss nor in the metric. Training,
validation and test data never overlap: each generator says how it keeps them apart.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences and, at each position, the token that should come next (both int64 on the CPU)."""

    tokens_BT: torch.Tensor
    targets_BT: torch.Tensor

    def __len__(self) -> int:
        return self.tokens_BT.shape[0]


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

    @abstractmethod
    def sequence_values(self, logits_BTV: torch.Tensor, targets_BT: torch.Tensor) -> torch.Tensor:
        """The metric of each sequence, shape (B,); the task's value is their mean."""
