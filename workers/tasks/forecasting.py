"""Forecasting of generated dynamics. The splits are apart by their seeds: trajectories come from a stream named for the split.

Trajectories for training are made many at a time, since an integrator steps a thousand as fast as one.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor

from nas.seeds import derive
from nas.tasks import Forecasting
from workers.batch import Batch
from workers.tasks.dynamics import trajectories
from workers.tasks.forecast import ForecastGenerator, windows

BLOCK = 1024
"""Trajectories that are made at once for training."""


class ForecastingGenerator(ForecastGenerator):
    """The trajectories of one `Forecasting` document."""

    def __init__(self, task: Forecasting, seed: int) -> None:
        super().__init__(task)
        self._task = task
        self._seed = seed
        self._last: tuple[tuple[int, int], Tensor] | None = None
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh trajectories for every step: the next `batch_size` of the replica's stream."""
        first, last = step * batch_size, (step + 1) * batch_size
        parts = [
            self._block(replica, block)[max(0, first - block * BLOCK) : last - block * BLOCK]
            for block in range(first // BLOCK, -(-last // BLOCK))
        ]
        return windows(torch.cat(parts))

    def validation(self) -> Batch:
        """`n_validation` trajectories."""
        return windows(self._made(self._task.n_validation, derive(self._seed, "validation")))

    def test(self) -> Batch:
        """`n_test` trajectories."""
        return windows(self._made(self._task.n_test, derive(self._seed, "test")))

    def _block(self, replica: int, block: int) -> Tensor:
        if self._last is None or self._last[0] != (replica, block):
            self._last = ((replica, block), self._made(BLOCK, derive(self._seed, "train", replica, block)))
        return self._last[1]

    def _made(self, n_sequences: int, seed: int) -> Tensor:
        rng = np.random.default_rng(seed)
        values = trajectories(self._task.system, rng, n_sequences, self._task.sequence_length + 1)
        return torch.from_numpy(values.astype(np.float32))
