"""Byte-level language modelling: the next byte of real text, scored in bits per byte on held-out documents.

Training windows start anywhere in the training split; validation and test windows are drawn without overlap from splits of
their own (`nas/data/packing.py` says how documents are dealt out).
"""

import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from nas.data import corpus
from nas.seeds import derive
from nas.tasks import BytesLM
from workers.batch import Batch
from workers.tasks.generator import Generator


class BytesLMGenerator(Generator):
    """The windows of one `BytesLM` document. Raises `Invalid` when the corpus cannot be used or is not the one it names."""

    def __init__(self, task: BytesLM, seed: int, data_root: Path | None, packs: Path | None = None) -> None:
        self._task = task
        self._seed = seed
        self._corpus = corpus.load(task.corpus, data_root, packs, text_key=task.text_key, digest=task.corpus_digest)
        self._corpus.check_windows(task.sequence_length, task.n_validation, task.n_test)
        # equal data has one digest, whether it was asked for by its digest or not
        settings = task.model_copy(update={"corpus_digest": None}).canonical_json()
        self.digest = hashlib.sha256(f"{settings} {seed} {self._corpus.digest}".encode()).hexdigest()
        self._validation = self._held_out("validation", self._corpus.validation, task.n_validation)
        self._test = self._held_out("test", self._corpus.test, task.n_test)

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Windows at random places of the training split."""
        rng = np.random.default_rng(derive(self._seed, "train", replica, step))
        starts = rng.integers(len(self._corpus.train) - self._task.sequence_length, size=batch_size)
        return _windows(self._corpus.train, starts, self._task.sequence_length)

    def validation(self) -> Batch:
        """`n_validation` windows of the validation documents."""
        return self._validation

    def test(self) -> Batch:
        """`n_test` windows of the test documents."""
        return self._test

    def sequence_values(self, predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Bits per byte of each window."""
        nats_BT = F.cross_entropy(predictions.transpose(1, 2), targets, reduction="none")
        return nats_BT.double().mean(-1) / math.log(2)

    def _held_out(self, name: str, split: corpus.ByteArray, n_windows: int) -> Batch:
        length = self._task.sequence_length
        n_places = (len(split) - 1) // length
        places = np.random.default_rng(derive(self._seed, name)).choice(n_places, size=n_windows, replace=False)
        return _windows(split, places * length, length)


def _windows(split: corpus.ByteArray, starts: np.ndarray[tuple[int], np.dtype[np.int64]], length: int) -> Batch:
    """`length` bytes from each start, and the bytes one further on."""
    window = torch.from_numpy(split[starts[:, None] + np.arange(length + 1)].astype(np.int64))
    return Batch(window[:, :-1].contiguous(), window[:, 1:].contiguous())
