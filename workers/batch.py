"""What a task hands to a model: sequences, and what should be predicted at each of their positions.

Letters: B sequences, T positions, C channels of measurements.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

IGNORED = -100
"""A target that counts neither in the loss nor in the metric."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Tokens [B, T] and the tokens to predict (both int64), or measurements [B, T, C] and the values to predict (float32)."""

    inputs: Tensor
    targets: Tensor
    condition: Tensor | None = None
    """What the task's own learner reads beside the sequences, [B, ...], such as the noise level of a diffusion step."""

    def __len__(self) -> int:
        return self.inputs.shape[0]

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        condition = None if self.condition is None else self.condition.to(device, non_blocking=True)
        inputs, targets = (tensor.to(device, non_blocking=True) for tensor in (self.inputs, self.targets))
        return replace(self, inputs=inputs, targets=targets, condition=condition)

    def rows(self, start: int, stop: int) -> Self:
        """Some of its sequences."""
        condition = None if self.condition is None else self.condition[start:stop]
        return replace(self, inputs=self.inputs[start:stop], targets=self.targets[start:stop], condition=condition)
