"""Which gene won: how much of the score each gene explains, at which value, and which pairs do more than their parts.

One additive model over all genes, so that a gene is not praised for the company that a sampler kept it in; shares are those of
a functional ANOVA (Hutter et al. 2014) over the trials as they are. A gene that some trials do not have explains differences
among those that have it; that a trial has it at all is the doing of the gene above it. p-values are of the F test of leaving a
gene or a pair out, with Holm's correction over all genes or all pairs; intervals are of a wild bootstrap over trials.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nas.statistics.additive import Additive, Block, block, wild
from nas.statistics.intervals import NORMAL_975
from nas.statistics.levels import Factor, Label, factors
from nas.statistics.ties import holm

Array = NDArray[np.float64]

N_PAIRS_SHOWN: Final = 10
TRIALS_PER_COLUMN: Final = 2
"""With fewer trials for each number to be estimated, genes are looked at one by one."""
TRIALS_PER_CELL: Final = 5
"""With fewer trials for each pair of values on average, a pair is not looked at."""


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a gene: the mean score of the trials that have the gene, had all of them this value and nothing else new."""

    value: Label
    n_trials: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class MainEffect:
    """A gene. share: of the variance of the score, 0 to 1, less what noise alone would show."""

    gene: str
    share: float
    share_low: float
    share_high: float
    p_value: float
    levels: tuple[Level, ...]

    @property
    def best(self) -> Level:
        """The value with the highest mean."""
        return max(self.levels, key=lambda level: level.mean)


@dataclass(frozen=True, slots=True)
class Cell:
    """Two genes' values together: how much better the score is than the sum of its parts says."""

    values: tuple[Label, Label]
    n_trials: int
    effect: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Interaction:
    """A pair of genes, over trials that have both. share: as of a main effect, on top of those."""

    genes: tuple[str, str]
    share: float
    share_low: float
    share_high: float
    p_value: float
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Genes and pairs, largest share first; of `n_pairs` only the strongest are kept, with p-values that count them all.

    adjusted: whether each gene was judged with all others held equal; else there were too few trials, each gene was looked at
    alone, and nothing is said of pairs. explained: adjusted R² of all genes together.
    """

    n_trials: int
    adjusted: bool
    explained: float | None
    main: tuple[MainEffect, ...]
    interactions: tuple[Interaction, ...]
    n_pairs: int


def attribute(params: Sequence[Mapping[str, Label]], scores: Sequence[float]) -> Attribution:
    """From the gene values and the score of each trial. Genes with one value only say nothing and are left out.

    Raises ValueError where lengths differ.
    """
    if len(params) != len(scores):
        raise ValueError(f"every trial has params and a score, got {len(params)} params and {len(scores)} scores")
    score = np.asarray(scores, dtype=np.float64)
    found = factors(params)
    if len(score) < 3 or not found or float(score.std()) <= 1e-12 * float(np.abs(score).max()):
        return Attribution(len(score), False, None, (), (), 0)
    if len(score) < TRIALS_PER_COLUMN * (1 + sum(factor.n_columns for factor in found)):
        alone = [effect for factor in found for effect in _main_effects(Additive.fit([factor], score))]
        return Attribution(len(score), False, None, _ranked_genes(alone), (), 0)
    model = Additive.fit(found, score)
    pairs = list(_pairs(model))
    return Attribution(
        len(score), True, model.explained, _ranked_genes(_main_effects(model)), _strongest(model, pairs), len(pairs)
    )


def _ranked_genes(effects: Sequence[MainEffect] | Iterator[MainEffect]) -> tuple[MainEffect, ...]:
    listed = list(effects)
    corrected = holm([effect.p_value for effect in listed])
    with_p = (replace(effect, p_value=p) for effect, p in zip(listed, corrected, strict=True))
    return tuple(sorted(with_p, key=lambda effect: (-effect.share, effect.gene)))


def _main_effects(model: Additive) -> Iterator[MainEffect]:
    """With p-values not yet corrected."""
    resampled = wild(model.residual, model.whole.leverage, model.freedom)
    found, moved = model.coefficients(model.score), model.coefficients(resampled)
    for at, factor in enumerate(model.factors):
        effects, moves = factor.effects(found[at]), factor.effects(moved[at])
        present = factor.present
        bases = resampled[:, present].mean(axis=1, keepdims=True)
        reach = NORMAL_975 * (bases + moves).std(axis=0)
        means = model.score[present].mean() + effects
        levels = tuple(
            Level(label, int(n), float(mean), float(mean - far), float(mean + far))
            for label, n, mean, far in zip(factor.labels, factor.counts, means, reach, strict=True)
        )
        # the mean square of the effects over trials, those without the gene counting as 0
        weights = factor.shares * present.mean()
        share = _share(effects**2 @ weights, (effects + moves) ** 2 @ weights, moves**2 @ weights, model.score)
        yield MainEffect(factor.gene, *share, model.p_value(at), levels)


def _share(square: float, resampled: Array, noise: Array, score: Array) -> tuple[float, float, float]:
    """Of the score's variance, with its interval; `noise` is what the resamples show where there is no effect."""
    variance = float(score.var())
    share, reach = (square - float(noise.mean())) / variance, NORMAL_975 * float(resampled.std()) / variance
    low, value, high = (float(np.clip(at, 0, 1)) for at in (share - reach, share, share + reach))
    return value, low, high


@dataclass(frozen=True, slots=True)
class _Pair:
    one: Factor
    other: Factor
    added: Block
    squares: float
    p_value: float


def _pairs(model: Additive) -> Iterator[_Pair]:
    """Every pair that has enough trials and adds something that no single gene does; p-values not yet corrected."""
    coded = {factor.gene: factor.columns() for factor in model.factors}
    for one, other in combinations(model.factors, 2):
        both = int((one.present & other.present).sum())
        if both < TRIALS_PER_CELL * len(one.labels) * len(other.labels):
            continue
        products = (coded[one.gene][:, :, None] * coded[other.gene][:, None, :]).reshape(len(model.score), -1)
        added = block(products - model.whole.fit(products.T).T, like=products)
        if added.rank:
            own = float(((model.residual @ added.basis) ** 2).sum())
            yield _Pair(one, other, added, own, model.f_test(own, added.rank, added=True))


def _strongest(model: Additive, pairs: Sequence[_Pair]) -> tuple[Interaction, ...]:
    corrected = holm([pair.p_value for pair in pairs])
    ranked = sorted(zip(corrected, pairs, strict=True), key=lambda item: (item[1].p_value, -item[1].squares))
    return tuple(_interaction(model, pair, p) for p, pair in ranked[:N_PAIRS_SHOWN])


def _interaction(model: Additive, pair: _Pair, p_value: float) -> Interaction:
    fitted = pair.added.fit(model.residual)
    leverage = model.whole.leverage + pair.added.leverage
    moved = pair.added.fit(wild(model.residual - fitted, leverage, model.freedom - pair.added.rank))
    share = _share(float((fitted**2).mean()), ((fitted + moved) ** 2).mean(axis=1), (moved**2).mean(axis=1), model.score)
    cells = tuple(_cells(pair, fitted, moved))
    return Interaction((pair.one.gene, pair.other.gene), *share, p_value, cells)


def _cells(pair: _Pair, fitted: Array, moved: Array) -> Iterator[Cell]:
    """Every pair of values that some trial has."""
    for a, one in enumerate(pair.one.labels):
        for b, other in enumerate(pair.other.labels):
            here = (pair.one.codes == a) & (pair.other.codes == b)
            if here.any():
                effect, reach = float(fitted[here].mean()), NORMAL_975 * float(moved[:, here].mean(axis=1).std())
                yield Cell((one, other), int(here.sum()), effect, effect - reach, effect + reach)
