"""The additive model of the score over genes, by least squares, and what its residuals say of its uncertainty.

Uncertainty comes from a wild bootstrap over trials: each residual, as it would be had its trial not been fitted (HC3), keeps or
changes its sign at random (Davidson and Flachaire 2008). No level is ever lost from a resample, trials may differ in noise, and
a resample is one matrix product.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from nas.seeds import derive
from nas.statistics.levels import Factor

Array = NDArray[np.float64]

N_RESAMPLES: Final = 500
RIDGE: Final = 1e-9
"""Of a column's mean square: it only decides between genes that always change together, which then share the credit."""


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a model: an orthonormal basis of what they add, (trials, rank)."""

    basis: Array

    def fit(self, values: Array) -> Array:
        """The part of the values, (..., trials), that the columns explain."""
        return np.asarray((values @ self.basis) @ self.basis.T, dtype=np.float64)

    @property
    def rank(self) -> int:
        """How many numbers are estimated."""
        return int(self.basis.shape[1])

    @property
    def leverage(self) -> Array:
        """How far each trial decides its own fit, 0 to 1."""
        return np.asarray((self.basis**2).sum(axis=1), dtype=np.float64)


def block(columns: Array, *, like: Array | None = None) -> Block:
    """Of any columns, also such as depend on each other. What is small beside `like` is rounding."""
    squares, directions = np.linalg.eigh(columns.T @ columns)
    scale = float(((columns if like is None else like) ** 2).sum())
    told = squares > 1e-12 * max(scale, 1e-300)
    return Block(columns @ (directions[:, told] / np.sqrt(squares[told])))


@dataclass(frozen=True, slots=True)
class Additive:
    """A fit. inverse: of the columns' products, intercept first; whole: all columns; residual: what is left of the score."""

    factors: tuple[Factor, ...]
    score: Array
    columns: Array
    inverse: Array
    whole: Block
    residual: Array

    @classmethod
    def fit(cls, factors: Sequence[Factor], score: Array) -> Self:
        """By least squares."""
        columns = np.concatenate([np.ones((len(score), 1)), *(factor.columns() for factor in factors)], axis=1)
        gram = columns.T @ columns
        inverse = np.linalg.inv(gram + RIDGE * np.diag(np.diag(gram)))
        whole = block(columns)
        return cls(tuple(factors), score, columns, inverse, whole, score - whole.fit(score))

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the residuals."""
        return len(self.score) - self.whole.rank

    @property
    def explained(self) -> float:
        """Adjusted R²."""
        if self.freedom < 1:
            return 0.0
        return max(0.0, 1 - float(self.residual @ self.residual) / self.freedom / float(self.score.var(ddof=1)))

    def f_test(self, squares: float, rank: int, *, added: bool = False) -> float:
        """The chance that `rank` columns without meaning explain as much. added: the model does not have them yet."""
        left = float(self.residual @ self.residual) - added * squares
        freedom, rounding = self.freedom - added * rank, 1e-14 * len(self.score) * float(self.score.var())
        if freedom < 1 or squares <= rounding:
            return 1.0
        return float(fdtrc(rank, freedom, squares / rank / (left / freedom))) if left > rounding else 0.0

    def coefficients(self, values: Array) -> list[Array]:
        """Of each factor's columns, for values (..., trials)."""
        every = values @ self.columns @ self.inverse
        ends = accumulate((factor.n_columns for factor in self.factors), initial=1)
        return [every[..., start:end] for start, end in pairwise(ends)]

    def p_value(self, at: int) -> float:
        """Of leaving out factor `at` (F test, type III): the chance of as much by luck."""
        start = 1 + sum(factor.n_columns for factor in self.factors[:at])
        place = slice(start, start + self.factors[at].n_columns)
        own = self.coefficients(self.score)[at]
        squares = float(own @ np.linalg.solve(self.inverse[place, place], own))
        return self.f_test(squares, len(own))


def wild(residual: Array, leverage: Array, freedom: int) -> Array:
    """Resampled residuals, (N_RESAMPLES, trials). A trial that decides its own fit has the size of the others' residuals."""
    left = 1 - leverage
    typical = float(np.sqrt(residual @ residual / max(freedom, 1)))
    jackknifed = np.where(left > 1e-6, residual / np.maximum(left, 1e-6), typical)
    return np.asarray(_signs(len(residual)) * jackknifed, dtype=np.float64)


@lru_cache(maxsize=2)
def _signs(n: int) -> Array:
    """The same for all genes and pairs of n trials."""
    generator = np.random.default_rng(derive("signs of residuals", n))
    return np.asarray(generator.integers(0, 2, (N_RESAMPLES, n)) * 2.0 - 1.0, dtype=np.float64)
