"""Runs as rows: each attempt once, at most one success for each trial and rung."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Integer, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from nas.metrics import reported_metrics, search_metrics
from nas.ports import RunRecord
from nas.run import RunKey, RunState
from nas.store.engine import storable
from nas.store.schema import run
from nas.store.transitions import IllegalTransition, check_run


def write(connection: Connection, study_id: str, records: Sequence[RunRecord]) -> None:
    """Start and end runs. One that starts and ends in the same batch is listed twice. Raises `IllegalTransition`."""
    if not records:
        return
    _check(study_id, records, _standing(connection, study_id, {item.key.number for item in records}))
    started = [_start_columns(item.key) for item in records if item.state is RunState.RUNNING]
    ended = [_end_columns(item) for item in records if item.state is not RunState.RUNNING]
    if started:
        connection.execute(insert(run), started)
    if ended:
        connection.execute(_END, ended)


def in_flight(connection: Connection, study_id: str) -> tuple[RunKey, ...]:
    """The runs that are still marked running."""
    keys = select(run.c.study_id, run.c.number, run.c.rung, run.c.attempt)
    rows = connection.execute(keys.where(run.c.study_id == study_id, run.c.state == "running").order_by(*keys.selected_columns))
    return tuple(RunKey(*row) for row in rows)


def _standing(connection: Connection, study_id: str, numbers: set[int]) -> dict[RunKey, RunState]:
    """All attempts of these trials."""
    rows = connection.execute(_OF_TRIALS, {"of": study_id, "numbers": sorted(numbers)})
    return {RunKey(study_id, row.number, row.rung, row.attempt): RunState(row.state) for row in rows}


def _check(study_id: str, records: Sequence[RunRecord], standing: dict[RunKey, RunState]) -> None:
    now = dict(standing)
    for record in records:
        key = record.key
        name = f"run {key.number}/{key.rung}/{key.attempt}"
        if key.study_id != study_id:
            raise IllegalTransition(f"{name} belongs to study {key.study_id}, not to {study_id}")
        check_run(name, [record.state], now.get(key))
        _check_ending(name, record)
        now[key] = record.state
    succeeded = Counter((key.number, key.rung) for key, state in now.items() if state is RunState.SUCCEEDED)
    twice = [place for place, n in succeeded.items() if n > 1]
    if twice:
        raise IllegalTransition(f"trial {twice[0][0]} has a result at rung {twice[0][1]} already; mark the other attempt lost")


def _check_ending(name: str, record: RunRecord) -> None:
    """A success carries its result, a failure its reason, the others nothing."""
    has_result = record.finished is not None and record.finished.result is not None
    has_failure = record.finished is not None and record.finished.failure is not None
    if (has_result, has_failure) != (record.state is RunState.SUCCEEDED, record.state is RunState.FAILED):
        raise IllegalTransition(
            f"{name} is {record.state}: a success needs a result, a failure a failure, and no other has either"
        )


def _start_columns(key: RunKey) -> dict[str, Any]:
    return {
        "study_id": key.study_id,
        "number": key.number,
        "rung": key.rung,
        "attempt": key.attempt,
        "state": RunState.RUNNING.value,
    }


def _end_columns(record: RunRecord) -> dict[str, Any]:
    result, failure = (record.finished.result, record.finished.failure) if record.finished else (None, None)
    return {
        "its_study_id": record.key.study_id,
        "its_number": record.key.number,
        "its_rung": record.key.rung,
        "its_attempt": record.key.attempt,
        "to": record.state.value,
        "with_score": result.score if result else None,
        "with_validation_score": result.validation_score if result else None,
        "with_metrics": reported_metrics(result) if result else None,
        "with_search_metrics": search_metrics(result) if result else None,
        "with_folder": result.folder if result else None,
        "with_result": result.to_json() if result else None,
        "with_failure": failure.to_json() if failure else None,
        "with_reason": storable(record.reason),
    }


_OF_TRIALS = select(run.c.number, run.c.rung, run.c.attempt, run.c.state).where(
    run.c.study_id == bindparam("of"), run.c.number == any_(bindparam("numbers", type_=ARRAY(Integer)))
)
_KEY = ("study_id", "number", "rung", "attempt")
_END = (
    update(run)
    .where(*(run.c[name] == bindparam(f"its_{name}") for name in _KEY))
    .values(
        state=bindparam("to"),
        score=bindparam("with_score"),
        validation_score=bindparam("with_validation_score"),
        metrics=bindparam("with_metrics"),
        search_metrics=bindparam("with_search_metrics"),
        folder=bindparam("with_folder"),
        result=bindparam("with_result"),
        failure=bindparam("with_failure"),
        reason=bindparam("with_reason"),
        ended_at=func.clock_timestamp(),
    )
)
