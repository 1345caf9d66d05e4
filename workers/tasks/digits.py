"""The handwritten digits that come with scikit-learn, and how they are dealt out: as many of each class to every split."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from nas.seeds import derive

N_CLASSES = 10

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Digits:
    """1,797 images of 8 by 8 pixels as grey levels from 0 to 16, [N, 64] row by row, and their classes [N]."""

    levels: IntArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, numbers: IntArray) -> "Digits":
        """Some of them."""
        return Digits(self.levels[numbers], self.labels[numbers])

    def content(self) -> bytes:
        """For the digest of what is made from them."""
        return self.levels.tobytes() + self.labels.tobytes()


@cache
def load() -> Digits:
    """All of them, in their own order."""
    # a second and 80 MB that a worker needs for tasks of digits only
    from sklearn.datasets import load_digits

    found = load_digits()
    return Digits(found.data.astype(np.int64), found.target.astype(np.int64))


def deal(labels: IntArray, n_validation: int, n_test: int, seed: int) -> tuple[IntArray, IntArray, IntArray]:
    """Numbers of the images for training, validation and test; so many of each class are held out."""
    rng = np.random.default_rng(derive(seed, "split"))
    of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in range(N_CLASSES)]
    validation = np.concatenate([images[:n_validation] for images in of_class])
    test = np.concatenate([images[n_validation : n_validation + n_test] for images in of_class])
    train = np.concatenate([images[n_validation + n_test :] for images in of_class])
    return train, validation, test
