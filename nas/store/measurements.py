"""Everything that a study measured, in one consistent read: what its statistics and its report are made from.

Results are decoded, not validated: they were valid when they were stored, and a study has thousands with long loss curves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, select

from nas.keys import Principal
from nas.run import RunState
from nas.store.access import no_study, visible
from nas.store.engine import reading
from nas.store.schema import architecture, run, study, trial
from nas.store.selects import STUDIES, TRIALS, study_row, trial_row
from nas.store.views import StudyView, TrialRow
from nas.study import StudySpec
from nas.trial import Params
from search_spaces.architecture import Architecture

Decoded = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """One attempt. `result` and `failure` are their decoded documents, the result without its loss curves.

    metrics: all that was measured on test data, by name, of a run with a result.
    """

    number: int
    rung: int
    attempt: int
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    reason: str | None
    result: Decoded | None
    failure: Decoded | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study, its trials in order of number with their gene values, and every attempt in order of number and rung."""

    view: StudyView
    trials: tuple[tuple[TrialRow, Params], ...]
    runs: tuple[StoredRun, ...]


def read_study(engine: Engine, principal: Principal, study_id: str) -> StoredStudy:
    """As it stands at one moment. Raises `NotFound`."""
    with reading(engine) as connection:
        snapshot = connection.execution_options(isolation_level="REPEATABLE READ")
        found = snapshot.execute(
            STUDIES.add_columns(study.c.spec).where(study.c.id == study_id, visible(principal))
        ).one_or_none()
        if found is None:
            raise no_study(study_id)
        trials = snapshot.execute(
            TRIALS.add_columns(trial.c.genes).where(trial.c.study_id == study_id).order_by(trial.c.number)
        )
        return StoredStudy(
            view=StudyView(row=study_row(found), spec=StudySpec.from_json(found.spec)),
            trials=tuple((trial_row(row), row.genes) for row in trials),
            runs=tuple(_runs(snapshot, study_id)),
        )


def read_architectures(engine: Engine, digests: frozenset[str]) -> dict[str, Architecture]:
    """The documents of architectures by digest, for who has seen a trial of each."""
    query = select(architecture.c.digest, architecture.c.document).where(architecture.c.digest.in_(digests))
    with reading(engine) as connection:
        return {row.digest: Architecture.from_json(row.document) for row in connection.execute(query)}


def _runs(connection: Connection, study_id: str) -> Iterator[StoredRun]:
    columns = (run.c.number, run.c.rung, run.c.attempt, run.c.state, run.c.started_at, run.c.ended_at, run.c.reason)
    query = select(*columns, run.c.result, run.c.failure, run.c.metrics).where(run.c.study_id == study_id)
    ordered = query.order_by(run.c.number, run.c.rung, run.c.attempt)
    # a result with its curves is hundreds of times what is kept of it
    for row in connection.execution_options(yield_per=100).execute(ordered):
        yield StoredRun(
            number=row.number,
            rung=row.rung,
            attempt=row.attempt,
            state=RunState(row.state),
            started_at=row.started_at,
            ended_at=row.ended_at,
            reason=row.reason,
            result=_without_curves(orjson.loads(row.result)) if row.result else None,
            failure=orjson.loads(row.failure) if row.failure else None,
            metrics=row.metrics or {},
        )


def _without_curves(result: dict[str, Any]) -> Decoded:
    for entry in result["ledger"]:
        entry.pop("curve", None)
    return result
