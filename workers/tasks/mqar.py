"""Multi-query associative recall (Zoology, arXiv 2312.04927), with the sampling of the published generator.

    k1 v1 ... kn vn  then each key once more, at position 2n + 2 * gap, where the value is the next token

Keys, values and gaps are drawn without replacement; p(gap = i) is proportional to (i + 1)^(power - 1).
"""

import numpy as np
import numpy.typing as npt
import torch

from nas.seeds import derive
from nas.tasks.mqar import MQAR, MQARSize
from workers.batch import IGNORED, Batch
from workers.tasks.generator import Split
from workers.tasks.streams import IntArray, StreamGenerator

FloatArray = npt.NDArray[np.float64]


class MQARGenerator(StreamGenerator):
    """The sequences of one `MQAR` document. Token 0 is neither key nor value."""

    def __init__(self, task: MQAR, seed: int) -> None:
        super().__init__(task, seed)
        self._task = task

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Sequences of the task's own size, or of one of its mixture."""
        task = self._task
        if not task.mixture:
            return super().train_batch(replica, step, batch_size)
        sizes = (task.own_size, *task.mixture)
        shares = np.array([1.0] + [task.mixture_share] * len(task.mixture))
        chosen = np.random.default_rng(derive(self._seed, "size", replica, step)).choice(len(sizes), p=shares / shares.sum())
        return _sequences(task, sizes[chosen], batch_size, derive(self._seed, "train", replica, step))

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """The values are all that is asked for, in training as well."""
        return _sequences(self._task, self._task.own_size, n_sequences, seed)

    def beyond(self, split: Split = "test") -> dict[str, Batch]:
        """As many sequences of each further size as the split has."""
        task = self._task
        n_sequences, stream = (task.n_test, "beyond") if split == "test" else (task.n_validation, "beyond, validation")
        return {size.name: _sequences(task, size, n_sequences, derive(self._seed, stream, size.name)) for size in task.further}


def _sequences(task: MQAR, size: MQARSize, n_sequences: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    n_keys, n_slots = task.vocab_size // 2, (size.sequence_length - 2 * size.n_pairs) // 2
    keys = 1 + _without_replacement(rng, np.ones(n_keys - 1), n_sequences, size.n_pairs)
    values = n_keys + _without_replacement(rng, np.ones(task.vocab_size - n_keys), n_sequences, size.n_pairs)
    gaps = _without_replacement(rng, np.arange(1.0, n_slots + 1) ** (task.power - 1), n_sequences, size.n_pairs)
    queries = 2 * size.n_pairs + 2 * gaps

    tokens = np.zeros((n_sequences, size.sequence_length), dtype=np.int64)
    tokens[:, 0 : 2 * size.n_pairs : 2] = keys
    tokens[:, 1 : 2 * size.n_pairs : 2] = values
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
