"""The leaderboard as people and programs read it: the store's rows, with tie groups and bootstrap intervals of the leaders.

The leaders are those of the highest rung, at most 200. What is said of them is kept until the study's next event, so that a
page costs what its rows cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from sqlalchemy import Engine

from nas.kept import Kept, Moment
from nas.keys import Principal
from nas.report.calibration import compare_rungs
from nas.report.document import RungCalibration
from nas.report.payoff import read_payoff
from nas.report.payoff_document import Comparison
from nas.report.standings import MAX_LEADERS, Leader, leader, place
from nas.sample_error import sample_error
from nas.store import leaders, reads
from nas.store.keyset import BEST_FIRST, EVERY_SCORED, Filter, Sort
from nas.store.views import LeaderboardRow
from nas.tasks import Task

KEPT_STUDIES: Final = 64
CALIBRATION_SECONDS: Final = 30.0
"""A calibration moves little from one result to the next, and takes a third of a second: a live page asks every few seconds."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a leader: its group of ties, and its 95 % interval."""

    group: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Some rows in order, as a `Page`. verdicts: of a study with baselines, a sentence for each, whether the search beat it."""

    items: tuple[LeaderboardRow, ...]
    next_cursor: str | None = None
    verdicts: tuple[str, ...] = ()


class Leaderboards:
    """Of every study in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._standings: Kept[Mapping[int, Standing]] = Kept(KEPT_STUDIES)
        self._calibrations: Kept[tuple[RungCalibration, ...]] = Kept(KEPT_STUDIES, CALIBRATION_SECONDS)
        self._comparisons: Kept[tuple[Comparison, ...]] = Kept(KEPT_STUDIES, CALIBRATION_SECONDS)

    def page(
        self,
        principal: Principal,
        study_id: str,
        *,
        sort: Sort = BEST_FIRST,
        where: Filter = EVERY_SCORED,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Board:
        """Scored trials in order, leaders with their group. A cursor belongs to its sort and filter.

        Raises `NotFound`, `Invalid`.
        """
        found = reads.leaderboard(self._engine, principal, study_id, sort=sort, where=where, limit=limit, cursor=cursor)
        if not found.items:
            return Board(items=(), next_cursor=found.next_cursor)
        now = leaders.moment(self._engine, principal, study_id)
        standings = self._standings.get(study_id, now[:1], lambda: self._find_standings(study_id))
        return Board(
            items=tuple(_with(row, standings.get(row.trial.number)) for row in found.items),
            next_cursor=found.next_cursor,
            verdicts=tuple(one.headline for one in self._compared(principal, study_id, now)),
        )

    def calibration(self, principal: Principal, study_id: str) -> tuple[RungCalibration, ...]:
        """Of each rung against the next, over at most 500 trials that have both; of a running study up to 30 seconds old.

        Raises `NotFound`.
        """
        now = leaders.moment(self._engine, principal, study_id)
        return self._calibrations.get(study_id, now[:1], lambda: self._find_calibration(study_id))

    def comparisons(self, principal: Principal, study_id: str) -> tuple[Comparison, ...]:
        """Of the search with each of its baselines; while they run up to 30 seconds old. Raises `NotFound`."""
        return self._compared(principal, study_id, leaders.moment(self._engine, principal, study_id))

    def _compared(self, principal: Principal, study_id: str, now: Moment) -> tuple[Comparison, ...]:
        if len(now) == 1:
            return ()
        return self._comparisons.get(study_id, now, lambda: read_payoff(self._engine, principal, study_id).comparisons)

    def _find_standings(self, study_id: str) -> Mapping[int, Standing]:
        spec, found = leaders.read_leaders(self._engine, study_id, MAX_LEADERS)
        tasks = spec.protocol.by_key()
        placed = place([_leader(one, tasks, spec.protocol.last_rung) for one in found])
        return {one.leader.row.number: Standing(one.place.group, one.interval.low, one.interval.high) for one in placed}

    def _find_calibration(self, study_id: str) -> tuple[RungCalibration, ...]:
        compared = leaders.read_rungs(self._engine, study_id)
        return tuple(compare_rungs(one.lower, one.upper, one.proxy, one.target, one.params) for one in compared)


def _leader(stored: leaders.StoredLeader, tasks: Mapping[str, Task], last_rung: int) -> Leader:
    """With the mean over tasks for each seed of each run."""
    runs = ([[tasks[found["task"]].score(value) for value in found["values"]] for found in run] for run in stored.tasks)
    seeds = [fmean(scores) for by_task in runs for scores in zip(*by_task, strict=True)]
    errors = [sample_error(run, tasks) for run in stored.tasks]
    return leader(stored.row, seeds, errors, confirmed=(stored.row.rung or 0) > last_rung)


def _with(row: LeaderboardRow, standing: Standing | None) -> LeaderboardRow:
    if standing is None:
        return row
    trial = replace(row.trial, score_low=standing.low, score_high=standing.high)
    return replace(row, group=standing.group, trial=trial)
