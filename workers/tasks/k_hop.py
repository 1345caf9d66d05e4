"""Pointer chasing: the edges of a random cycle, then queries (start, k) whose answer is the node k edges on.

    blanks and n edges, shuffled | (start, 1) (start, 2) ... (start, n_hops) (start, 1) ...

Tokens: n nodes, which are the answers; n * n edges; n * n_hops queries; the blank. The splits are apart by their seeds: a
sequence is drawn from a stream named for its split. Letters: B sequences, N nodes, Q queries.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch

from nas.seeds import derive
from nas.tasks import KHop
from workers.batch import IGNORED, Batch
from workers.tasks.generator import Evaluation
from workers.tasks.recall import RecallGenerator


class KHopGenerator(RecallGenerator):
    """The sequences of one `KHop` document."""

    def __init__(self, task: KHop, seed: int) -> None:
        self._task = task
        self._seed = seed
        self.digest = hashlib.sha256(f"{task.canonical_json()} {seed}".encode()).hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Fresh cycles for every step."""
        return _sequences(self._task, batch_size, derive(self._seed, "train", replica, step))

    def validation(self) -> Batch:
        """`n_validation` sequences."""
        return _sequences(self._task, self._task.n_validation, derive(self._seed, "validation"))

    def test(self) -> Batch:
        """`n_test` sequences."""
        return _sequences(self._task, self._task.n_test, derive(self._seed, "test"))

    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """Macro accuracy, and accuracy for each number of hops."""
        assert evaluation.choices_BT is not None
        right_BQ = (evaluation.choices_BT == evaluation.targets)[:, -self._task.n_queries :].double()
        by_hops = {f"accuracy@hops={k}": right_BQ[:, k - 1 :: self._task.n_hops].mean().item() for k in self._task.hops()}
        return {**super().further_metrics(evaluation), **by_hops}


def _sequences(task: KHop, n_sequences: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    n_nodes, shape = task.n_nodes, (n_sequences, task.n_queries)
    cycle_BN = rng.permuted(np.tile(np.arange(n_nodes), (n_sequences, 1)), axis=1)
    edges_BN = n_nodes + n_nodes * cycle_BN + np.roll(cycle_BN, -1, axis=1)

    hops_BQ = np.broadcast_to(1 + np.arange(task.n_queries) % task.n_hops, shape)
    places_BQ = rng.integers(n_nodes, size=shape)
    starts_BQ = np.take_along_axis(cycle_BN, places_BQ, axis=1)
    answers_BQ = np.take_along_axis(cycle_BN, (places_BQ + hops_BQ) % n_nodes, axis=1)

    first_query, first_edge, blank = n_nodes * (1 + n_nodes), -n_nodes - task.n_queries, task.vocab_size - 1
    tokens = np.full((n_sequences, task.sequence_length), blank, dtype=np.int64)
    tokens[:, first_edge : -task.n_queries] = edges_BN
    tokens[:, : -task.n_queries] = rng.permuted(tokens[:, : -task.n_queries], axis=1)
    tokens[:, -task.n_queries :] = first_query + task.n_hops * starts_BQ + hops_BQ - 1
    targets = np.full_like(tokens, IGNORED)
    targets[:, -task.n_queries :] = answers_BQ
    return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))
