"""State tracking: tokens g1 ... gT are elements of a group, the target at t is gt ... g2 g1, the state they lead to.

The splits are apart by their seeds: a sequence is drawn from a stream named for its split and length.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch

from nas.seeds import derive
from nas.tasks import StateTracking
from workers.batch import Batch
from workers.tasks.generator import Evaluation, Split
from workers.tasks.groups import table
from workers.tasks.recall import RecallGenerator


class StateTrackingGenerator(RecallGenerator):
    """The sequences of one `StateTracking` document."""

    def __init__(self, task: StateTracking, seed: int) -> None:
        self._task = task
        self._seed = seed
        self._table = table(task.factors)
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh sequences for every step."""
        return self._sequences(batch_size, self._task.sequence_length, derive(self._seed, "train", replica, step))

    def validation(self) -> Batch:
        """`n_validation` sequences."""
        return self._sequences(self._task.n_validation, self._task.sequence_length, derive(self._seed, "validation"))

    def test(self) -> Batch:
        """`n_test` sequences."""
        return self._sequences(self._task.n_test, self._task.sequence_length, derive(self._seed, "test"))

    def beyond(self, split: Split = "test") -> Mapping[str, Batch]:
        """As many sequences of each further length as the split has."""
        n_sequences = self._task.n_test if split == "test" else self._task.n_validation
        return {
            f"length={length}": self._sequences(n_sequences, length, derive(self._seed, split, length))
            for length in self._task.test_lengths
        }

    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """Macro accuracy, and accuracy at the last position."""
        assert evaluation.choices_BT is not None
        final = (evaluation.choices_BT == evaluation.targets)[:, -1].double().mean().item()
        return {**super().further_metrics(evaluation), "final_accuracy": final}

    def _sequences(self, n_sequences: int, length: int, seed: int) -> Batch:
        tokens = np.random.default_rng(seed).integers(len(self._table), size=(n_sequences, length))
        states, state = np.empty_like(tokens), np.zeros(n_sequences, dtype=np.int64)
        for place in range(length):
            state = self._table[tokens[:, place], state]
            states[:, place] = state
        return Batch(torch.from_numpy(tokens), torch.from_numpy(states))
