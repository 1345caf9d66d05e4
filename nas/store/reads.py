"""The API's read side. Every function takes the principal; unknown and foreign studies are the same `NotFound`.

Lists are keyset pages: a page is found by the last row of the page before, so the thousandth is as quick as the first.
"""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine

from nas.keys import Principal
from nas.store.views import EventView, LeaderboardRow, Page, StudyRow, StudyView, Totals, TrialRow, TrialView
from nas.study import StudyState
from nas.trial import TrialState
from search_spaces.architecture import Architecture

MAX_PAGE = 500

SortName = Literal["rank", "score", "params", "active_params", "flops_per_token", "state_bytes", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """The order of a leaderboard.

    rank: highest rung first, then best score, then lowest number (the default; `descending` turns it round, worst first).
    The others: that column, ascending unless `descending`; score ties by lowest number when descending, costs by number.
    """

    by: SortName = "rank"
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Inclusive bounds on a numeric column of the leaderboard; None is open."""

    column: Literal["score", "rung", "params", "active_params", "flops_per_token", "state_bytes", "number"]
    min: float | int | None = None
    max: float | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which trials of a leaderboard to show. reference: only zoo entries (True), only the search's own (False), both (None)."""

    states: frozenset[TrialState] = frozenset()
    reference: bool | None = None
    pareto: bool | None = None
    between: tuple[Between, ...] = ()


def get_study(engine: Engine, principal: Principal, study_id: str) -> StudyView:
    """One study. Raises `NotFound`."""
    raise NotImplementedError


def list_studies(
    engine: Engine,
    principal: Principal,
    *,
    states: frozenset[StudyState] = frozenset(),
    name: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StudyRow]:
    """Studies, newest first; an admin sees every owner's. `name` is an exact match. Raises `Invalid` for a bad cursor or limit."""
    raise NotImplementedError


def list_trials(
    engine: Engine,
    principal: Principal,
    study_id: str,
    *,
    states: frozenset[TrialState] = frozenset(),
    limit: int = 50,
    cursor: str | None = None,
) -> Page[TrialRow]:
    """All trials in order of number, unscored ones too. Raises `NotFound`, `Invalid`."""
    raise NotImplementedError


def get_trial(engine: Engine, principal: Principal, study_id: str, number: int) -> TrialView:
    """One trial with its architecture, gene values and every attempt. Raises `NotFound`."""
    raise NotImplementedError


def leaderboard(
    engine: Engine,
    principal: Principal,
    study_id: str,
    *,
    sort: Sort = Sort(),
    where: Filter = Filter(),
    limit: int = 50,
    cursor: str | None = None,
) -> Page[LeaderboardRow]:
    """Scored trials in order. A cursor belongs to its sort and filter; with others it is `Invalid`. Raises `NotFound`, `Invalid`."""
    raise NotImplementedError


def pareto(engine: Engine, principal: Principal, study_id: str) -> tuple[TrialRow, ...]:
    """The trials on the Pareto front of the study's objectives, best score first. Raises `NotFound`."""
    raise NotImplementedError


def events_after(engine: Engine, principal: Principal, study_id: str, seq: int, limit: int = 500) -> tuple[EventView, ...]:
    """Events with a higher number than `seq`, in order. Raises `NotFound`. To wait for more see `nas.store.events.EventBell`."""
    raise NotImplementedError


def get_architecture(engine: Engine, principal: Principal, digest: str) -> Architecture:
    """An architecture that some study of the principal's has. Raises `NotFound`."""
    raise NotImplementedError


def totals(engine: Engine) -> Totals:
    """Counts over all owners, for `/metrics` and `/readyz`. Raises `StoreUnavailable`."""
    raise NotImplementedError
