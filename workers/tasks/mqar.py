"""Multi-query associative recall (Zoology, arXiv 2312.04927), with the sampling of the published generator.

    k1 v1 ... kn vn  then each key once more, at position 2n + 2 * gap, where the value is the next token

Keys, values and gaps are drawn without replacement; p(gap = i) is proportional to (i + 1)^(power - 1). The splits are apart
by their seeds: a training, validation or test sequence is drawn from a stream named for its split.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import torch

from nas.seeds import derive
from nas.tasks import MQAR
from workers.batch import IGNORED, Batch
from workers.tasks.recall import RecallGenerator

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class MQARGenerator(RecallGenerator):
    """The sequences of one `MQAR` document. Token 0 is neither key nor value."""

    def __init__(self, task: MQAR, seed: int) -> None:
        self._task = task
        self._seed = seed
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh sequences for every step."""
        return _sequences(self._task, batch_size, derive(self._seed, "train", replica, step))

    def validation(self) -> Batch:
        """`n_validation` sequences."""
        return _sequences(self._task, self._task.n_validation, derive(self._seed, "validation"))

    def test(self) -> Batch:
        """`n_test` sequences."""
        return _sequences(self._task, self._task.n_test, derive(self._seed, "test"))


def _sequences(task: MQAR, n_sequences: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    n_keys, n_slots = task.vocab_size // 2, (task.sequence_length - 2 * task.n_pairs) // 2
    keys = 1 + _without_replacement(rng, np.ones(n_keys - 1), n_sequences, task.n_pairs)
    values = n_keys + _without_replacement(rng, np.ones(task.vocab_size - n_keys), n_sequences, task.n_pairs)
    gaps = _without_replacement(rng, np.arange(1.0, n_slots + 1) ** (task.power - 1), n_sequences, task.n_pairs)
    queries = 2 * task.n_pairs + 2 * gaps

    tokens = np.zeros((n_sequences, task.sequence_length), dtype=np.int64)
    tokens[:, 0 : 2 * task.n_pairs : 2] = keys
    tokens[:, 1 : 2 * task.n_pairs : 2] = values
    np.put_along_axis(tokens, queries, keys, axis=1)
    if task.random_non_queries:
        tokens = np.where(tokens == 0, rng.integers(task.vocab_size, size=tokens.shape), tokens)
    targets = np.full_like(tokens, IGNORED)
    np.put_along_axis(targets, queries, values, axis=1)
    return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))


def _without_replacement(rng: np.random.Generator, weights: FloatArray, n_rows: int, n_drawn: int) -> IntArray:
    """In each row `n_drawn` different indices, drawn one after another with probability proportional to their weight.

    An exponential clock per index, running at the speed of its weight, rings in exactly that order.
    """
    times = rng.standard_exponential((n_rows, len(weights))) / weights
    first = np.argpartition(times, n_drawn - 1, axis=1)[:, :n_drawn]
    order = np.take_along_axis(times, first, axis=1).argsort(axis=1)
    return np.take_along_axis(first, order, axis=1)
