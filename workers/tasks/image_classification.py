"""Digits of 8 by 8 pixels as 64 tokens, row by row; the class is the target at the last of them.

The splits are apart by a permutation of each class's images, drawn from the data seed. A training batch draws images with
replacement.
"""

import hashlib

import numpy as np
import torch

from nas.seeds import derive
from nas.tasks import ImageClassification
from nas.tasks.image_classification import N_LEVELS
from workers.batch import IGNORED, Batch
from workers.tasks import digits
from workers.tasks.digits import IntArray
from workers.tasks.recall import RecallGenerator


class ImageClassificationGenerator(RecallGenerator):
    """The images of one `ImageClassification` document."""

    def __init__(self, task: ImageClassification, seed: int) -> None:
        self._seed = seed
        self._digits = digits.load()
        n_validation, n_test = task.n_validation_per_class, task.n_test_per_class
        self._train, self._validation, self._test = digits.deal(self._digits.labels, n_validation, n_test, seed)
        made_of = hashlib.sha256(f"{task.canonical_json()} {seed}".encode())
        made_of.update(self._digits.content())
        self.digest = made_of.hexdigest()

    def train_batch(self, replica: int, step: int, batch_size: int) -> Batch:
        """Images of the training split, each as likely."""
        rng = np.random.default_rng(derive(self._seed, "train", replica, step))
        return self._images(rng.choice(self._train, batch_size))

    def validation(self) -> Batch:
        """As many images of each class."""
        return self._images(self._validation)

    def test(self) -> Batch:
        """As many images of each class."""
        return self._images(self._test)

    def _images(self, which: IntArray) -> Batch:
        chosen = self._digits.chosen(which)
        tokens = chosen.levels
        targets = np.full_like(tokens, IGNORED)
        targets[:, -1] = N_LEVELS + chosen.labels
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))
