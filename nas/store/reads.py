"""The API's read side. Every function takes the principal; unknown and foreign studies are the same `NotFound`.

Lists are keyset pages: a page is found by the last row of the page before, so the thousandth is as quick as the first.
"""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Engine, Select, cast, exists, func, select

from nas.errors import Conflict, Invalid, NotFound
from nas.keys import Principal
from nas.store.access import is_visible, no_study, require_study, visible
from nas.store.engine import reading
from nas.store.keyset import (
    BEST_FIRST,
    EVERY_SCORED,
    MAX_PAGE,
    Between,
    Filter,
    Keyset,
    Sort,
    SortName,
    conditions,
    leaderboard_keyset,
    mark,
)
from nas.store.schema import architecture, event, run, study, trial
from nas.store.selects import ALIVE, STUDIES, TRIALS, AnyRow, event_view, run_view, study_row, trial_row
from nas.store.views import EventView, LeaderboardRow, Page, StudyRow, StudyView, Totals, TrialRow, TrialView
from nas.study import StudySpec, StudyState
from nas.trial import TrialState
from search_spaces.architecture import Architecture

__all__ = [
    "MAX_PAGE", "Between", "Filter", "Sort", "SortName", "events_after", "get_architecture", "get_study", "get_trial",
    "leaderboard", "list_studies", "list_trials", "pareto", "totals",
]  # fmt: skip


def get_study(engine: Engine, principal: Principal, study_id: str) -> StudyView:
    """One study. Raises `NotFound`."""
    query = STUDIES.add_columns(study.c.spec).where(study.c.id == study_id, visible(principal))
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise no_study(study_id)
    return StudyView(row=study_row(row), spec=StudySpec.from_json(row.spec))


def list_studies(
    engine: Engine,
    principal: Principal,
    *,
    states: frozenset[StudyState] = frozenset(),
    name: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[StudyRow]:
    """Studies, newest first; an admin sees every owner's. `name` is an exact match. Raises `Invalid`."""
    newest_first = Keyset((study.c.id,), True, mark("studies", sorted(states), name))
    query, position = newest_first.page(STUDIES.where(visible(principal)), limit, cursor)
    if states:
        query = query.where(study.c.state.in_(sorted(state.value for state in states)))
    if name is not None:
        query = query.where(study.c.name == name)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return Page(items=tuple(map(study_row, rows[:limit])), next_cursor=newest_first.cursor(rows, limit, position))


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
    by_number = Keyset((trial.c.number,), False, mark("trials", study_id, sorted(states)))
    query, position = by_number.page(TRIALS.where(trial.c.study_id == study_id), limit, cursor)
    if states:
        query = query.where(trial.c.state.in_(sorted(state.value for state in states)))
    rows = _of_study(engine, principal, study_id, query)
    return Page(items=tuple(map(trial_row, rows[:limit])), next_cursor=by_number.cursor(rows, limit, position))


def get_trial(engine: Engine, principal: Principal, study_id: str, number: int) -> TrialView:
    """One trial with its architecture, gene values and every attempt. Raises `NotFound`."""
    absent = NotFound(f"study {study_id!r} has no trial {number}; list its trials to see their numbers")
    if not 0 <= number < 2**31:
        raise absent
    one = TRIALS.add_columns(trial.c.genes, architecture.c.document).join(architecture)
    attempts = select(run).where(run.c.study_id == study_id, run.c.number == number).order_by(run.c.rung, run.c.attempt)
    with reading(engine) as connection:
        require_study(connection, principal, study_id)
        row = connection.execute(one.where(trial.c.study_id == study_id, trial.c.number == number)).one_or_none()
        runs = connection.execute(attempts).all()
    if row is None:
        raise absent
    return TrialView(
        row=trial_row(row),
        params=row.genes,
        architecture=Architecture.from_json(row.document),
        runs=tuple(map(run_view, runs)),
    )


def get_architecture(engine: Engine, principal: Principal, digest: str) -> Architecture:
    """An architecture that was tried, by its digest or at least the first 8 of its 64 hexadecimal digits.

    Raises `NotFound` for one that no study of the principal's has tried, `Conflict` where several begin so, and `Invalid` for
    what is no digest.
    """
    if re.fullmatch("[0-9a-f]{8,64}", digest) is None:
        raise Invalid("a digest has 64 lower-case hexadecimal digits; give all of them, or at least the first 8")
    tried = exists().where(trial.c.architecture == architecture.c.digest, trial.c.study_id == study.c.id, visible(principal))
    # between equally long texts of hexadecimal digits, which every collation orders alike: the primary key's index serves
    begins_so = architecture.c.digest.between(digest.ljust(64, "0"), digest.ljust(64, "f"))
    with reading(engine) as connection:
        found = connection.execute(select(architecture.c.document).where(begins_so, tried).limit(2)).scalars().all()
    if len(found) > 1:
        raise Conflict(f"several architectures have a digest that begins with {digest}; give more of its 64 digits")
    if not found:
        raise NotFound(f"no study of yours has tried an architecture with the digest {digest}; a trial's page shows its own")
    return Architecture.from_json(found[0])


def leaderboard(
    engine: Engine,
    principal: Principal,
    study_id: str,
    *,
    sort: Sort = BEST_FIRST,
    where: Filter = EVERY_SCORED,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[LeaderboardRow]:
    """Scored trials in order. A cursor belongs to its sort and filter. Raises `NotFound`, `Invalid`."""
    order = leaderboard_keyset(study_id, sort, where)
    query, position = order.page(TRIALS.where(trial.c.study_id == study_id, conditions(where)), limit, cursor)
    rows = _of_study(engine, principal, study_id, query)
    items = (LeaderboardRow(rank=rank, trial=trial_row(row)) for rank, row in enumerate(rows[:limit], start=position + 1))
    return Page(items=tuple(items), next_cursor=order.cursor(rows, limit, position))


def pareto(engine: Engine, principal: Principal, study_id: str) -> tuple[TrialRow, ...]:
    """The trials on the Pareto front of the study's objectives, best score first. Raises `NotFound`."""
    front = TRIALS.where(trial.c.study_id == study_id, trial.c.pareto)
    rows = _of_study(engine, principal, study_id, front.order_by(trial.c.score.desc().nulls_last(), trial.c.number))
    return tuple(map(trial_row, rows))


def events_after(engine: Engine, principal: Principal, study_id: str, seq: int, limit: int = 500) -> tuple[EventView, ...]:
    """Events after number `seq`, in order. To wait for more: `nas.store.events.EventBell`. Raises `NotFound`."""
    news = select(event.c.seq, event.c.kind, event.c.data, event.c.at).where(event.c.study_id == study_id, event.c.seq > seq)
    rows = _of_study(engine, principal, study_id, news.order_by(event.c.seq).limit(limit))
    return tuple(map(event_view, rows))


def totals(engine: Engine) -> Totals:
    """Counts over all owners, for `/metrics` and `/readyz`. Raises `StoreUnavailable`."""
    count = func.jsonb_each_text(study.c.counts).table_valued("key", "value", joins_implicitly=True)
    per_state = select(count.c.key, cast(func.sum(cast(count.c.value, BigInteger)), BigInteger))
    with reading(engine) as connection:
        studies = connection.execute(select(study.c.state, func.count()).group_by(study.c.state)).all()
        trials = connection.execute(per_state.select_from(study, count).group_by(count.c.key)).all()
        drivers = connection.execute(select(func.count(study.c.lease_driver.distinct())).where(ALIVE)).scalar_one()
    return Totals(
        studies={StudyState(state): n for state, n in studies},
        trials={TrialState(state): n for state, n in trials},
        live_drivers=drivers,
    )


def _of_study(engine: Engine, principal: Principal, study_id: str, query: Select[*tuple[Any, ...]]) -> Sequence[AnyRow]:
    """Rows of a study that the principal may see, in one round trip where there are any. Raises `NotFound`."""
    with reading(engine) as connection:
        rows = connection.execute(query.where(is_visible(principal, study_id))).all()
        if not rows:
            require_study(connection, principal, study_id)
        return rows
