"""The handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels, split so that every class has its share."""

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

from nas.seeds import derive

N_CLASSES = 10
N_PIXELS = 64
HELD_OUT = 0.15
"""Share of every class for validation, and again for test."""

FloatArray = npt.NDArray[np.float32]
AnyFloats = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Images:
    """Pixels [N, 64], row by row, from -1 (paper) to 1 (ink), and the digits [N]."""

    pixels: FloatArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, indices: IntArray) -> "Images":
        """Some of them."""
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class Splits:
    """No image is in two of them; each has the classes mixed."""

    train: Images
    validation: Images
    test: Images


@cache
def images() -> Images:
    """All of them, in their own order."""
    pixels, labels = load_digits(return_X_y=True)
    return Images((pixels / 8 - 1).astype(np.float32), labels.astype(np.int64))


@cache
def digest() -> str:
    """SHA-256 of all of them."""
    found = images()
    return hashlib.sha256(found.pixels.tobytes() + found.labels.tobytes()).hexdigest()


def splits(seed: int) -> Splits:
    """The images dealt out, class by class, by a seed."""
    parts: tuple[list[IntArray], ...] = ([], [], [])
    for label in range(N_CLASSES):
        indices = np.flatnonzero(images().labels == label)
        np.random.default_rng(derive(seed, "split", label)).shuffle(indices)
        n_held_out = round(HELD_OUT * len(indices))
        for part, dealt in zip(
            parts, np.split(indices, [len(indices) - 2 * n_held_out, len(indices) - n_held_out]), strict=True
        ):
            part.append(dealt)
    rng = np.random.default_rng(derive(seed, "order"))
    return Splits(*(images().chosen(rng.permutation(np.concatenate(part))) for part in parts))
