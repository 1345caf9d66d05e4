"""Memorization (MAD, arXiv 2403.17844).

k5 INSERT k2 INSERT ...    and at every INSERT the value of the key before it, by one map, is asked for
"""

import numpy as np
import torch

from nas.seeds import derive
from nas.tasks import Memorization
from workers.batch import IGNORED, Batch
from workers.tasks.streams import IntArray, StreamGenerator


class MemorizationGenerator(StreamGenerator):
    """The sequences of one `Memorization` document; `values` has the value of each key."""

    def __init__(self, task: Memorization, seed: int) -> None:
        super().__init__(task, seed)
        self._task = task
        n_values = task.vocab_size - 1 - task.n_keys
        rng = np.random.default_rng(derive(seed, "map"))
        self.values: IntArray = task.n_keys + rng.permutation(n_values)[: task.n_keys]

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """The values are all that is asked for, in training as well."""
        task = self._task
        keys = np.random.default_rng(seed).integers(task.n_keys, size=(n_sequences, task.sequence_length // 2))
        tokens = np.full((n_sequences, task.sequence_length), task.vocab_size - 1)
        tokens[:, 0::2] = keys
        targets = np.full_like(tokens, IGNORED)
        targets[:, 1::2] = self.values[keys]
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))
