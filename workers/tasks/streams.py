"""Where a task's sequences come from: fresh ones for every step, or a fixed training set in epochs.

The splits are apart by their seeds: a training, validation or test sequence is drawn from a stream named for its split.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Iterable
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch

from nas.seeds import derive
from nas.tasks.task import SampledRecall
from workers.batch import IGNORED, Batch
from workers.tasks.recall import RecallGenerator

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

CHUNK = 1024
"""Sequences of a fixed training set that come from one seed; smaller sets are the first sequences of larger ones."""


class StreamGenerator(RecallGenerator):
    """Base of the generators of `nas.tasks.task.SampledRecall`: they draw any number of sequences from a seed."""

    def __init__(self, task: SampledRecall, seed: int) -> None:
        self._splits = task
        self._seed = seed
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    @abstractmethod
    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """Sequences from a seed, with the targets to train on or those to measure."""

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh sequences, or the next ones of the fixed set in the replica's own order."""
        n_train = self._splits.n_train
        if n_train is None:
            return self.sequences(batch_size, derive(self._seed, "train", replica, step), training=True)
        start = step * batch_size
        epochs = range(start // n_train, -(-(start + batch_size) // n_train))
        order = np.concatenate([self._permutation(n_train, replica, epoch) for epoch in epochs])
        chosen = order[start - epochs.start * n_train :][:batch_size]
        return Batch(self._training_set.inputs[chosen], self._training_set.targets[chosen])

    def validation(self) -> Batch:
        """`n_validation` sequences."""
        return self.sequences(self._splits.n_validation, derive(self._seed, "validation"), training=False)

    def test(self) -> Batch:
        """`n_test` sequences."""
        return self.sequences(self._splits.n_test, derive(self._seed, "test"), training=False)

    @lru_cache(maxsize=2)  # noqa: B019 # an epoch's order serves all its steps; a generator lives as long as its run
    def _permutation(self, n_train: int, replica: int, epoch: int) -> IntArray:
        return np.random.default_rng(derive(self._seed, "epoch", replica, epoch)).permutation(n_train)

    @cached_property
    def _training_set(self) -> Batch:
        n_train = self._splits.n_train or 0
        seeds = [derive(self._seed, "training set", chunk) for chunk in range(-(-n_train // CHUNK))]
        return _joined(self.sequences(CHUNK, seed, training=True) for seed in seeds).rows(0, n_train)


def shown_then_asked(tokens_BT: IntArray, asked_BT: BoolArray) -> Batch:
    """Sequences whose next tokens are the targets where they are asked for; the last token has none after it."""
    targets_BT = np.full_like(tokens_BT, IGNORED)
    targets_BT[:, :-1] = np.where(asked_BT[:, 1:], tokens_BT[:, 1:], IGNORED)
    return Batch(torch.from_numpy(tokens_BT), torch.from_numpy(targets_BT))


def first_places(keys_BP: IntArray) -> IntArray:
    """For each key the place in its sequence where it stands first, shape (B, P)."""
    # equal keys lie together once sorted, the first of them in front
    order_BP = keys_BP.argsort(axis=1, kind="stable")
    sorted_BP = np.take_along_axis(keys_BP, order_BP, axis=1)
    starts_BP = np.tile(np.arange(keys_BP.shape[1]), (len(keys_BP), 1))
    starts_BP[:, 1:][sorted_BP[:, 1:] == sorted_BP[:, :-1]] = 0
    places_BP = np.empty_like(keys_BP)
    firsts_BP = np.take_along_axis(order_BP, np.maximum.accumulate(starts_BP, axis=1), axis=1)
    np.put_along_axis(places_BP, order_BP, firsts_BP, axis=1)
    return places_BP


def _joined(batches: Iterable[Batch]) -> Batch:
    parts = list(batches)
    return Batch(torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts]))
