"""Who leads, with which interval, and who cannot be told apart: bootstrap intervals and tie groups of a study's leaders."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Final

from scipy.special import stdtrit

from nas.statistics.intervals import NORMAL_975, Interval, mean_interval
from nas.statistics.ties import Place, Scored, tie_groups
from nas.store.views import TrialRow

MAX_LEADERS: Final = 200
"""How many of the highest rung are told apart; whoever stands below them is behind somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """A scored trial at the highest rung: one score per seed, and the test sample's standard error of their mean."""

    row: TrialRow
    seeds: tuple[float, ...]
    sample_error: float


def leader(row: TrialRow, seeds: Sequence[float]) -> Leader:
    """A scored row with the score of each seed behind it; without any the score itself stands for one."""
    assert row.score is not None
    assert row.score_low is not None
    assert row.score_high is not None
    scores = tuple(seeds) or (row.score,)
    return Leader(row=row, seeds=scores, sample_error=sample_error(row.score, row.score_low, row.score_high, scores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A leader with its interval, cut to the scale, and its place among the ties."""

    leader: Leader
    interval: Interval
    place: Place


def place(leaders: Sequence[Leader]) -> tuple[Placed, ...]:
    """In the order given, which is the leaderboard's."""
    ties = tie_groups([Scored(leader.seeds, leader.sample_error) for leader in leaders])
    return tuple(
        Placed(leader=leader, interval=interval(leader), place=found)
        for leader, found in zip(leaders, ties.places, strict=True)
    )


def interval(leader: Leader) -> Interval:
    """Over its seeds, by bootstrap; of a single seed whatever its own run says, which is the draw of the test set."""
    if len(leader.seeds) > 1 or leader.sample_error > 0:
        return mean_interval(leader.seeds, leader.sample_error).within(0.0, 1.0)
    value = leader.seeds[0]
    return Interval(value, value, value, "test_sample")


def sample_error(score: float, low: float, high: float, seeds: Sequence[float]) -> float:
    """The standard error from the test sample alone, taken back out of a 95 % interval that may cover seeds too.

    The interval is cut at the ends of the scale, so that the longer of its two sides is the whole one.
    """
    reach = max(high - score, score - low)
    over_seeds = 0.0
    if len(seeds) > 1:
        over_seeds = float(stdtrit(len(seeds) - 1, 0.975)) * stdev(seeds) / math.sqrt(len(seeds))
    return math.sqrt(max(0.0, reach**2 - over_seeds**2)) / NORMAL_975
