"""Needle retrieval: hay with needles, each a key and its values; then one of the keys, and its values again.

The gaps of hay before, between and behind the needles are such that every arrangement is as likely. The splits are apart by
their seeds: a sequence is drawn from a stream named for its split and length. Letters: B sequences, N needles, W tokens of one.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch

from nas.seeds import derive
from nas.tasks import Needle
from workers.batch import IGNORED, Batch
from workers.tasks.generator import Split
from workers.tasks.recall import RecallGenerator


class NeedleGenerator(RecallGenerator):
    """The sequences of one `Needle` document."""

    def __init__(self, task: Needle, seed: int) -> None:
        self._task = task
        self._seed = seed
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh haystacks for every step."""
        seed = derive(self._seed, "train", replica, step)
        return _sequences(self._task, batch_size, self._task.sequence_length, seed)

    def validation(self) -> Batch:
        """`n_validation` sequences."""
        seed = derive(self._seed, "validation")
        return _sequences(self._task, self._task.n_validation, self._task.sequence_length, seed)

    def test(self) -> Batch:
        """`n_test` sequences."""
        return _sequences(self._task, self._task.n_test, self._task.sequence_length, derive(self._seed, "test"))

    def beyond(self, split: Split = "test") -> Mapping[str, Batch]:
        """As many sequences of each further length as the split has."""
        n_sequences = self._task.n_test if split == "test" else self._task.n_validation
        return {
            f"length={length}": _sequences(self._task, n_sequences, length, derive(self._seed, split, length))
            for length in self._task.test_lengths
        }


def _sequences(task: Needle, n_sequences: int, length: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    n_keys, width = task.vocab_size // 2, 1 + task.n_values
    # one token more than the model reads: the last value is only predicted
    tokens = rng.integers(n_keys, task.vocab_size, size=(n_sequences, length + 1))

    keys_BN = rng.permuted(np.tile(np.arange(n_keys), (n_sequences, 1)), axis=1)[:, : task.n_needles]
    # a needle of W tokens takes the room of one: any places of so much shorter a haystack, then spread again
    n_places = length + 1 - width - task.n_needles * (width - 1)
    places_BN = np.sort(rng.random((n_sequences, n_places)).argsort(axis=1)[:, : task.n_needles], axis=1)
    starts_BN = places_BN + (width - 1) * np.arange(task.n_needles)
    np.put_along_axis(tokens, starts_BN, keys_BN, axis=1)

    asked_B1 = rng.integers(task.n_needles, size=(n_sequences, 1))
    inside_BW = np.take_along_axis(starts_BN, asked_B1, axis=1) + np.arange(width)
    tokens[:, -width:] = np.take_along_axis(tokens, inside_BW, axis=1)
    targets = np.full((n_sequences, length), IGNORED)
    targets[:, -task.n_values :] = tokens[:, -task.n_values :]
    return Batch(torch.from_numpy(tokens[:, :-1]), torch.from_numpy(targets))
