"""What workers read: the sequences, a pure function of settings and seed."""

from pathlib import Path

import torch
from parity_task import Parity

from workers.batch import Batch
from workers.tasks.streams import StreamGenerator


class ParityGenerator(StreamGenerator):
    """Random bits, and at each of them the parity so far."""

    def __init__(self, task: Parity, seed: int, data_root: Path | None) -> None:
        super().__init__(task, seed)
        self._length = task.sequence_length

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """The same to train on and to measure."""
        bits = torch.randint(2, (n_sequences, self._length), generator=torch.Generator().manual_seed(seed))
        return Batch(bits, bits.cumsum(-1) % 2)
