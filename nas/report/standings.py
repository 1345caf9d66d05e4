"""Who leads, with which interval, and who cannot be told apart: bootstrap intervals and tie groups of a study's leaders."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from nas.statistics.intervals import Interval, mean_interval
from nas.statistics.ties import Place, Scored, tie_groups
from nas.store.views import TrialRow

MAX_LEADERS: Final = 200
"""How many of the highest rung are told apart; whoever stands below them is behind somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """A scored trial at the highest rung: one score per seed, and the standard error from the test sample that they share.

    confirmed: whether these are fresh seeds, each of a run of its own.
    """

    row: TrialRow
    seeds: tuple[float, ...]
    sample_error: float
    confirmed: bool


def leader(row: TrialRow, seeds: Sequence[float], errors: Sequence[float], *, confirmed: bool) -> Leader:
    """A scored row with the score of each seed and the sample error of each run behind it; else the score stands for a seed."""
    assert row.score is not None
    return Leader(
        row=row, seeds=tuple(seeds) or (row.score,), sample_error=fmean(errors) if errors else 0.0, confirmed=confirmed
    )


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
    """Over fresh seeds and the test sample; of a single run it is what the run says, which has seen each of its sequences."""
    row = leader.row
    if leader.confirmed and len(leader.seeds) > 1:
        return mean_interval(leader.seeds, leader.sample_error).within(0.0, 1.0)
    assert row.score is not None
    assert row.score_low is not None
    assert row.score_high is not None
    return Interval(row.score, row.score_low, row.score_high, row.interval or "test_sample")
