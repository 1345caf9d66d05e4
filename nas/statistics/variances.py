"""The seed variance of each of many trials with few seeds each, where all lend strength to each.

Three seeds alone cannot tell a difference of means from luck: their two degrees of freedom ask for 4.3 standard errors, and for
hundreds in a family of many tests. Trials of one study have much alike, so each one's variance is drawn towards the pooled one,
as far as the variances prove to be alike (Smyth 2004, as in limma). Two cautions beside that paper, without which a seed that
may fail made groups of equal trials in up to half of all simulated studies: the variance to be drawn to is the plain mean, not
that of the logarithms, and the variances' own spread is taken half a standard error wider than it looks.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma

Array = NDArray[np.float64]

MANY: Final = 1e6
"""Degrees of freedom that stand for infinitely many."""
CAUTION: Final = 0.5
"""Standard errors by which the spread of the variances is widened."""


def moderated(variances: Array, degrees_of_freedom: Array) -> tuple[Array, Array]:
    """Each trial's variance and its degrees of freedom, never more than all trials have together. Zeros where none has any."""
    total = float(degrees_of_freedom.sum())
    if total == 0:
        return np.zeros_like(variances), np.zeros_like(degrees_of_freedom)
    pooled = float((variances * degrees_of_freedom).sum()) / total
    alike = _alikeness(variances, degrees_of_freedom)
    freedom = degrees_of_freedom + alike
    drawn = (degrees_of_freedom * variances + alike * pooled) / freedom
    return drawn, np.minimum(freedom, total)


def _alikeness(variances: Array, degrees_of_freedom: Array) -> float:
    """How many degrees of freedom the pooled variance is worth to each trial, by the spread of the variances' logarithms.

    A variance of exactly zero says that a metric is saturated, not how alike seeds are; such trials are left out.
    """
    told = (degrees_of_freedom > 0) & (variances > 0)
    variance, freedom = variances[told], degrees_of_freedom[told]
    if len(variance) < 2:
        return MANY
    by_chance = polygamma(1, freedom / 2)
    uncertainty = math.sqrt(float((polygamma(3, freedom / 2) + 2 * by_chance**2).mean()) / len(variance))
    # the expected logarithm of a variance depends on its degrees of freedom
    centred = np.log(variance) - polygamma(0, freedom / 2) + np.log(freedom / 2)
    excess = float(centred.var(ddof=1) - by_chance.mean()) + CAUTION * uncertainty
    return MANY if excess <= 0 else min(MANY, 2 * _inverse_trigamma(excess))


def _inverse_trigamma(value: float) -> float:
    """Newton's method on 1 / trigamma, which is convex, so that it converges from this start (Smyth 2004, appendix)."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    at = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, at))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, at))
        at += step
        if -step < 1e-8 * at:
            break
    return at
