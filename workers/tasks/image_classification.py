"""Digits of 8 by 8 pixels as 64 tokens, row by row; the class is the target at the last of them.

The splits are apart by a permutation of each class's images, drawn from the data seed. A training batch draws images with
replacement.
"""

import hashlib
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from nas.seeds import derive
from nas.tasks import ImageClassification
from nas.tasks.image_classification import N_CLASSES, N_LEVELS
from workers.batch import IGNORED, Batch
from workers.tasks.recall import RecallGenerator

IntArray = npt.NDArray[np.int64]


class ImageClassificationGenerator(RecallGenerator):
    """The images of one `ImageClassification` document."""

    def __init__(self, task: ImageClassification, seed: int) -> None:
        self._seed = seed
        self._pixels, self._labels = _digits()
        self._train, self._validation, self._test = _splits(self._labels, task, seed)
        made_of = hashlib.sha256(f"{task.canonical_json()} {seed}".encode())
        made_of.update(self._pixels.tobytes() + self._labels.tobytes())
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
        tokens = self._pixels[which]
        targets = np.full_like(tokens, IGNORED)
        targets[:, -1] = N_LEVELS + self._labels[which]
        return Batch(torch.from_numpy(tokens), torch.from_numpy(targets))


@cache
def _digits() -> tuple[IntArray, IntArray]:
    """Every image as 64 grey levels, and its class."""
    # a second and 80 MB that a worker needs for this task only
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.data.astype(np.int64), digits.target.astype(np.int64)


def _splits(labels: IntArray, task: ImageClassification, seed: int) -> tuple[IntArray, IntArray, IntArray]:
    """Numbers of the images for training, validation and test."""
    rng = np.random.default_rng(derive(seed, "split"))
    n_validation, n_test = task.n_validation_per_class, task.n_test_per_class
    of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in range(N_CLASSES)]
    validation = np.concatenate([images[:n_validation] for images in of_class])
    test = np.concatenate([images[n_validation : n_validation + n_test] for images in of_class])
    train = np.concatenate([images[n_validation + n_test :] for images in of_class])
    return train, validation, test
