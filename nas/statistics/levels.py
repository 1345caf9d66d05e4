"""Genes as factors: which of a few levels each trial is at. Numbers with many values are cut into quarters of the trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Label = bool | int | float | str

MAX_NUMBERS: Final = 8
"""A gene with more different numbers is cut into N_BINS ranges with about as many trials each."""
N_BINS: Final = 4
ABSENT: Final = -1


@dataclass(frozen=True, slots=True)
class Factor:
    """A gene: its levels and each trial's (index, or ABSENT where the trial does not have the gene)."""

    gene: str
    labels: tuple[Label, ...]
    codes: NDArray[np.intp]

    @property
    def n_columns(self) -> int:
        """Numbers to be estimated for it."""
        return len(self.labels) - 1

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which trials have the gene."""
        return np.not_equal(self.codes, ABSENT)

    @property
    def counts(self) -> NDArray[np.intp]:
        """Trials at each level."""
        return np.bincount(self.codes[self.present], minlength=len(self.labels))

    @property
    def shares(self) -> Array:
        """The same as shares of the trials that have the gene."""
        return np.asarray(self.counts / self.counts.sum(), dtype=np.float64)

    def columns(self) -> Array:
        """The coding, (trials, n_columns): a level's indicator less its share, so that effects average to 0; 0 where absent."""
        indicator = (self.codes[:, None] == np.arange(self.n_columns)).astype(np.float64)
        return np.where(self.present[:, None], indicator - self.shares[:-1], 0.0)

    def effects(self, coefficients: Array) -> Array:
        """Of each level, (..., levels), from the coefficients of the columns, (..., n_columns)."""
        last = np.zeros((*coefficients.shape[:-1], 1))
        every = np.concatenate([coefficients, last], axis=-1)
        return np.asarray(every - (every @ self.shares)[..., None], dtype=np.float64)


def factors(params: Sequence[Mapping[str, Label]]) -> tuple[Factor, ...]:
    """Every gene that has two levels or more among the trials, by name."""
    genes = sorted({gene for each in params for gene in each})
    found = (_factor(gene, [each.get(gene) for each in params]) for gene in genes)
    return tuple(factor for factor in found if len(factor.labels) > 1)


def _factor(gene: str, values: Sequence[Label | None]) -> Factor:
    present = [value for value in values if value is not None]
    # True and 1 are equal and mean different things
    distinct = sorted({(type(value).__name__, value): value for value in present}.values(), key=_order)
    numbers = [float(value) for value in present if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(distinct) > MAX_NUMBERS and len(numbers) == len(present):
        return _binned(gene, values, np.array(numbers))
    index = {(type(value).__name__, value): at for at, value in enumerate(distinct)}
    codes = [ABSENT if value is None else index[type(value).__name__, value] for value in values]
    return Factor(gene, tuple(distinct), np.array(codes, dtype=np.intp))


def _binned(gene: str, values: Sequence[Label | None], numbers: Array) -> Factor:
    """Ranges whose borders are quantiles; equal numbers are never parted."""
    borders = np.unique(np.quantile(numbers, np.arange(1, N_BINS) / N_BINS, method="lower"))
    bins = np.searchsorted(borders, numbers, side="left")
    used, bins = np.unique(bins, return_inverse=True)
    labels = tuple(_range(numbers[bins == at]) for at in range(len(used)))
    codes = np.full(len(values), ABSENT, dtype=np.intp)
    codes[[value is not None for value in values]] = bins
    return Factor(gene, labels, codes)


def _range(numbers: Array) -> str:
    low, high = float(numbers.min()), float(numbers.max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _order(value: Label) -> tuple[int, float, str]:
    return (2, 0.0, value) if isinstance(value, str) else (int(not isinstance(value, bool)), float(value), "")
