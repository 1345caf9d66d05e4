"""Pointer chasing: labels, and chains of nodes that grow from them in turns.

    blanks | node label, of every chain | node pointer, of every chain | node pointer, of every chain | ...

In each round the chains come in random order, and a pointer is the node that its chain got in the round before. The target at
a pointer is the chain's label. Tokens: labels, names of nodes, the blank. The splits are apart by their
seeds: a sequence is drawn from a stream named for its split. Letters: B sequences, R rounds, C chains.
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
        """Fresh chains for every step; early on the loss asks for few hops only."""
        task = self._task
        batch = _sequences(task, batch_size, derive(self._seed, "train", replica, step))
        n_left_out = task.n_hops - task.hops_at(step)
        if n_left_out:
            batch.targets[:, -2 * task.n_chains * n_left_out :] = IGNORED
        return batch

    def validation(self) -> Batch:
        """`n_validation` sequences."""
        return _sequences(self._task, self._task.n_validation, derive(self._seed, "validation"))

    def test(self) -> Batch:
        """`n_test` sequences."""
        return _sequences(self._task, self._task.n_test, derive(self._seed, "test"))

    def further_metrics(self, evaluation: Evaluation) -> Mapping[str, float]:
        """Macro accuracy, and accuracy for each number of hops."""
        assert evaluation.choices_BT is not None
        n_chains, n_asked = self._task.n_chains, self._task.n_chains * self._task.n_hops
        right_BT = (evaluation.choices_BT == evaluation.targets).double()
        rounds = torch.split(right_BT[:, -2 * n_asked + 1 :: 2], n_chains, dim=1)
        by_hops = {f"accuracy@hops={k}": one.mean().item() for k, one in zip(self._task.hops(), rounds, strict=True)}
        return {**super().further_metrics(evaluation), **by_hops}


def _sequences(task: KHop, n_sequences: int, seed: int) -> Batch:
    rng = np.random.default_rng(seed)
    shape = n_sequences, 1 + task.n_hops, task.n_chains
    names = task.n_labels + rng.permuted(np.tile(np.arange(task.n_names), (n_sequences, 1)), axis=1)
    nodes_BRC = names[:, : task.n_nodes].reshape(shape)
    labels = rng.permuted(np.tile(np.arange(task.n_labels), (n_sequences, 1)), axis=1)[:, None, : task.n_chains]
    pointers_BRC = np.concatenate([labels, nodes_BRC[:, :-1]], axis=1)

    order_BRC = rng.permuted(np.broadcast_to(np.arange(task.n_chains), shape), axis=2)
    pairs = np.stack([np.take_along_axis(part, order_BRC, axis=2) for part in (nodes_BRC, pointers_BRC)], axis=-1)
    tokens = np.full((n_sequences, task.sequence_length), task.vocab_size - 1)
    tokens[:, -2 * task.n_nodes :] = pairs.reshape(n_sequences, -1)
    targets = np.full_like(tokens, IGNORED)
    asked_BRC = np.take_along_axis(np.broadcast_to(labels, shape), order_BRC, axis=2)
    # at every second token behind the first round
    targets[:, -2 * task.n_chains * task.n_hops + 1 :: 2] = asked_BRC[:, 1:].reshape(n_sequences, -1)
    return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))
