"""Fuzzy in-context recall (MAD, arXiv 2403.17844): keys and values are tuples of different tokens.

    pad pad | k3 k1 v9 | k2 v7 v8 v9 | ... | k3 k1 v9    B sequences, P pairs, M the most tokens of a key or a value

Tuples are sampled. What a pair would have as value is drawn for each; it has that of the first pair with its key.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from nas.tasks import FuzzyRecall
from workers.batch import Batch
from workers.tasks.streams import BoolArray, IntArray, StreamGenerator, first_places, shown_then_asked


class FuzzyRecallGenerator(StreamGenerator):
    """The sequences of one `FuzzyRecall` document."""

    def __init__(self, task: FuzzyRecall, seed: int) -> None:
        super().__init__(task, seed)
        self._task = task
        longest = task.key_length + task.value_length
        self._body_starts_before = task.sequence_length - 2 * longest
        """A pair of the body that starts here leaves room for itself and for the pair that is asked for last."""

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """Every next token to train on; values whose key was shown to measure, behind keys of the full length."""
        rng, task = np.random.default_rng(seed), self._task
        shortest_key = 1 if training else task.key_length
        n_pairs = -(-self._body_starts_before // (shortest_key + 1))
        shape = (n_sequences, n_pairs)
        key_sizes_BP = rng.integers(shortest_key, task.key_length, size=shape, endpoint=True)
        keys_BPM = _cut(_different(rng, shape, task.n_keys, task.key_length), key_sizes_BP)
        first_BP = first_places((keys_BPM + 1) @ (task.n_keys + 1) ** np.arange(task.key_length))
        drawn_sizes_BP = rng.integers(1, task.value_length, size=shape, endpoint=True)
        drawn_BPM = _cut(task.n_keys + _different(rng, shape, task.n_values, task.value_length), drawn_sizes_BP)
        values_BPM = np.take_along_axis(drawn_BPM, first_BP[:, :, None], axis=1)

        pairs_BPM = np.concatenate([keys_BPM, values_BPM], axis=2)
        repeated_BP = first_BP < np.arange(n_pairs)
        return self._laid_out(rng, pairs_BPM, repeated_BP, training=training)

    def _laid_out(self, rng: np.random.Generator, pairs_BPM: IntArray, repeated_BP: BoolArray, *, training: bool) -> Batch:
        """Pairs one after another, as many as start early enough; then one of them again; padding before all."""
        sizes_BP = (pairs_BPM >= 0).sum(axis=2)
        starts_BP = sizes_BP.cumsum(axis=1) - sizes_BP
        in_body_BP = starts_BP < self._body_starts_before
        rows = np.arange(len(pairs_BPM))
        last_B = in_body_BP.sum(axis=1) - 1
        # the first pair from a random place on, or the last one
        place_B = rng.integers(self._body_starts_before, size=len(rows))
        asked_B = np.minimum((starts_BP < place_B[:, None]).sum(axis=1), last_B)

        body_BPM = np.where(in_body_BP[:, :, None], pairs_BPM, -1)
        pairs_BPM = np.concatenate([body_BPM, pairs_BPM[rows, asked_B][:, None]], axis=1)
        repeated_BP = np.concatenate([repeated_BP, np.ones((len(rows), 1), dtype=np.bool_)], axis=1)
        given_BPM = pairs_BPM >= 0
        length = self._task.sequence_length
        tokens_BT = _at_the_end(pairs_BPM, given_BPM, length, padding=self._task.vocab_size - 1)
        if training:
            return shown_then_asked(tokens_BT, np.ones_like(tokens_BT, dtype=np.bool_))
        is_value_M = np.arange(pairs_BPM.shape[2]) >= self._task.key_length
        asked_BT = _at_the_end(is_value_M & repeated_BP[:, :, None], given_BPM, length, padding=0)
        return shown_then_asked(tokens_BT, asked_BT.astype(np.bool_))


def _at_the_end(cells_BPM: npt.NDArray[Any], given_BPM: BoolArray, length: int, padding: int) -> IntArray:
    """The given cells of each sequence one after another, with padding before them; shape (B, length)."""
    given = given_BPM.reshape(len(given_BPM), -1)
    places = length - given.sum(axis=1, keepdims=True) + given.cumsum(axis=1) - 1
    filled = np.full((len(given), length), padding)
    filled[given.nonzero()[0], places[given]] = cells_BPM[given_BPM]
    return filled


def _cut(tuples_BPM: IntArray, sizes_BP: IntArray) -> IntArray:
    """Only the first `size` tokens of each tuple, -1 in the place of the others."""
    return np.where(np.arange(tuples_BPM.shape[2]) < sizes_BP[:, :, None], tuples_BPM, -1)


def _different(rng: np.random.Generator, shape: tuple[int, int], n_tokens: int, length: int) -> IntArray:
    """Tuples of `length` different numbers below `n_tokens`, every such tuple as likely as another; shape (*shape, length).

    The next number is drawn among those that are left and steps over the smaller ones that are taken.
    """
    chosen = np.empty((*shape, 0), dtype=np.int64)
    for taken in range(length):
        number = rng.integers(n_tokens - taken, size=shape)
        for smaller in np.moveaxis(np.sort(chosen, axis=-1), -1, 0):
            number += number >= smaller
        chosen = np.concatenate([chosen, number[..., None]], axis=-1)
    return chosen
