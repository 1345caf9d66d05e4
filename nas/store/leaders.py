"""What the leaderboard's statistics are computed from: the seeds of the leaders, and trials at two rungs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Engine, and_, func, select

from nas.kept import Moment
from nas.keys import Principal
from nas.run import RunState
from nas.store.access import no_study, visible
from nas.store.engine import reading
from nas.store.schema import SCORED, run, study, trial
from nas.store.selects import BASELINES, TRIALS, trial_row
from nas.store.views import TrialRow
from nas.study import StudySpec
from nas.trial import TrialState

MAX_COMPARED: Final = 500
"""Trials of a rung that are compared with the rung below: enough for a correlation, and read in milliseconds."""

Decoded = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeader:
    """A scored trial at the highest rung with the tasks of each run behind its score, in order of rungs."""

    row: TrialRow
    tasks: tuple[Sequence[Decoded], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRungs:
    """Trials that have both rungs: validation scores at the lower, test scores at the upper, and parameters."""

    lower: int
    upper: int
    proxy: Mapping[int, float]
    target: Mapping[int, float]
    params: Mapping[int, float]


def moment(engine: Engine, principal: Principal, study_id: str) -> Moment:
    """The number of the study's newest event, then those of its baselines' in order. Raises `NotFound`."""
    query = select(study.c.last_event, BASELINES).where(study.c.id == study_id, visible(principal))
    with reading(engine) as connection:
        found = connection.execute(query).one_or_none()
    if found is None:
        raise no_study(study_id)
    event, baselines = found
    return (event, *(baseline["last_event"] for baseline in baselines or ()))


def read_leaders(engine: Engine, study_id: str, limit: int) -> tuple[StudySpec, tuple[StoredLeader, ...]]:
    """The first of the leaderboard that share the highest rung, for who may see the study. Infeasible ones lead nothing."""
    feasible = and_(trial.c.study_id == study_id, SCORED, trial.c.state != TrialState.INFEASIBLE.value)
    best_first = (trial.c.rung.desc(), trial.c.score.desc(), (-trial.c.number).desc())
    with reading(engine) as connection:
        spec = _spec(connection, study_id)
        rows = [trial_row(row) for row in connection.execute(TRIALS.where(feasible).order_by(*best_first).limit(limit))]
        highest = [row for row in rows if row.rung == rows[0].rung]
        tasks = _tasks(connection, study_id, highest, spec.protocol.last_rung)
    return spec, tuple(StoredLeader(row=row, tasks=tuple(tasks.get(row.number, ()))) for row in highest)


def _tasks(
    connection: Connection, study_id: str, rows: Sequence[TrialRow], last_rung: int
) -> dict[int, list[Sequence[Decoded]]]:
    """Of the run that a row shows, or of all that confirm it."""
    if not rows:
        return {}
    shown = rows[0].rung or 0
    rungs = run.c.rung > last_rung if shown > last_rung else run.c.rung == shown
    numbers = [row.number for row in rows]
    # the ledger beside it, with its loss curves, stays in the database
    tasks = func.json_extract_path_text(run.c.result, "tasks").label("tasks")
    query = select(run.c.number, tasks).where(
        run.c.study_id == study_id, run.c.number.in_(numbers), rungs, run.c.state == RunState.SUCCEEDED.value
    )
    found: dict[int, list[Sequence[Decoded]]] = {}
    for row in connection.execute(query.order_by(run.c.number, run.c.rung)):
        found.setdefault(row.number, []).append(orjson.loads(row.tasks))
    return found


def read_rungs(engine: Engine, study_id: str) -> tuple[TwoRungs, ...]:
    """Each rung of the protocol beside the next, of the first trials that have both, for who may see the study."""
    with reading(engine) as connection:
        spec = _spec(connection, study_id)
        return tuple(_two_rungs(connection, study_id, lower) for lower in range(spec.protocol.last_rung))


def _two_rungs(connection: Connection, study_id: str, lower: int) -> TwoRungs:
    above = run.alias("above")
    same = and_(above.c.study_id == run.c.study_id, above.c.number == run.c.number, above.c.rung == run.c.rung + 1)
    succeeded = RunState.SUCCEEDED.value
    query = (
        select(run.c.number, run.c.validation_score, above.c.score, trial.c.params)
        .join(above, same)
        .join(trial, and_(trial.c.study_id == run.c.study_id, trial.c.number == run.c.number))
        .where(run.c.study_id == study_id, run.c.rung == lower, run.c.state == succeeded, above.c.state == succeeded)
        .order_by(run.c.number)
        .limit(MAX_COMPARED)
    )
    rows = connection.execute(query).all()
    return TwoRungs(
        lower=lower,
        upper=lower + 1,
        proxy={row.number: row.validation_score for row in rows},
        target={row.number: row.score for row in rows},
        params={row.number: float(row.params) for row in rows},
    )


def _spec(connection: Connection, study_id: str) -> StudySpec:
    return StudySpec.from_json(connection.execute(select(study.c.spec).where(study.c.id == study_id)).scalar_one())
