"""Sequences of key-value pairs, in which some pairs may be noise: MAD's in-context recall, arXiv 2403.17844.

k3 v7 k1 v4 n2 n6 k3 v7 ... k1 v4    B sequences, P pairs, one map from keys to values for each sequence
"""

from dataclasses import dataclass

import numpy as np

from workers.batch import Batch
from workers.tasks.streams import BoolArray, IntArray, first_places, shown_then_asked


@dataclass(frozen=True, slots=True)
class Pairs:
    """Tokens below `n_keys` are keys, the next `n_values` values, the next `n_noise` noise."""

    n_keys: int
    n_values: int
    sequence_length: int
    n_noise: int = 0
    noise_share: float = 0.0

    def sequences(self, n_sequences: int, seed: int, *, training: bool) -> Batch:
        """With every next token as target to train on, or only values whose key was shown before."""
        rng = np.random.default_rng(seed)
        n_pairs = self.sequence_length // 2
        noise_BP = self._noise(rng, n_sequences, n_pairs)
        keys_BP = rng.integers(self.n_keys, size=(n_sequences, n_pairs))
        keys_BP[:, -1] = _one_of_those_shown(rng, keys_BP, noise_BP)
        # noise shows no key: each one of its own
        first_BP = first_places(np.where(noise_BP, self.n_keys + np.arange(n_pairs), keys_BP))
        drawn_BP = self.n_keys + rng.integers(self.n_values, size=(n_sequences, n_pairs))
        values_BP = np.take_along_axis(drawn_BP, first_BP, axis=1)

        pairs_BP2 = np.stack([keys_BP, values_BP], axis=2)
        if noise_BP.any():
            noise = self.n_keys + self.n_values + rng.integers(self.n_noise, size=pairs_BP2.shape)
            pairs_BP2 = np.where(noise_BP[:, :, None], noise, pairs_BP2)
        asked_BP2 = np.zeros(pairs_BP2.shape, dtype=np.bool_)
        asked_BP2[:, :, 1] = first_BP < np.arange(n_pairs)
        asked_BT = asked_BP2.reshape(n_sequences, -1)
        return shown_then_asked(pairs_BP2.reshape(n_sequences, -1), np.ones_like(asked_BT) if training else asked_BT)

    def _noise(self, rng: np.random.Generator, n_sequences: int, n_pairs: int) -> BoolArray:
        """Which pairs are noise: not the last, and not one of those before it."""
        noise_BP = rng.random((n_sequences, n_pairs)) < self.noise_share
        noise_BP[np.arange(n_sequences), rng.integers(n_pairs - 1, size=n_sequences)] = False
        noise_BP[:, -1] = False
        return noise_BP


def _one_of_those_shown(rng: np.random.Generator, keys_BP: IntArray, noise_BP: BoolArray) -> IntArray:
    """For each sequence one of the different keys before its last pair, each as likely as another; shape (B,)."""
    shown_BP = ~noise_BP[:, :-1]
    hidden_BP = np.where(shown_BP, keys_BP[:, :-1], -1 - np.arange(shown_BP.shape[1]))
    is_first_BP = shown_BP & (first_places(hidden_BP) == np.arange(shown_BP.shape[1]))
    places_B = np.where(is_first_BP, rng.random(shown_BP.shape), -1.0).argmax(axis=1)
    chosen_B: IntArray = keys_BP[np.arange(len(keys_BP)), places_B]
    return chosen_B
