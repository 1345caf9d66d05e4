"""Trials as rows: what a driver's batch writes, and the standings it reads back."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Row,
    Select,
    Subquery,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, array, insert

from nas.metrics import reported_metrics
from nas.ports import Move, Standing
from nas.run import Result
from nas.sample_error import sample_error
from nas.store.engine import storable
from nas.store.schema import architecture, run, trial
from nas.store.transitions import check_trial
from nas.tasks import Task
from nas.trial import FINAL_TRIAL_STATES, Confirmed, Trial, TrialState
from search_spaces.primitives import Cost


@dataclass(frozen=True, slots=True)
class Tally:
    """Trials per state, and how many of the search's own have a score or failed."""

    counts: Counter[str] = field(default_factory=Counter)
    measured: int = 0


def write(connection: Connection, study_id: str, trials: Sequence[Trial], moves: Sequence[Move]) -> tuple[Tally, Tally]:
    """Insert or replace trials, then move some; what these trials counted for before and after.

    A trial passes through every state listed. Raises `IllegalTransition`.
    """
    paths: dict[int, list[TrialState]] = {}
    steps: list[Trial | Move] = [*trials, *moves]
    for step in steps:
        paths.setdefault(step.number, []).append(step.state)
    before = _outlines(connection, study_id, paths)
    for number, path in paths.items():
        check_trial(number, path, before[number].state if number in before else None)
    if trials:
        documents = {item.architecture.digest: item.architecture for item in trials if item.number not in before}
        rows = [{"digest": digest, "document": document.to_json()} for digest, document in sorted(documents.items())]
        _execute_many(connection, _ADD_ARCHITECTURE, rows)
        last = {item.number: item for item in trials}
        _execute_many(connection, _UPSERT, [_columns(study_id, item) for item in last.values()])
    if moves:
        last_move = {move.number: move for move in moves}
        _execute_many(connection, _MOVE, [_move_columns(study_id, move) for move in last_move.values()])
    return _tally(before), _tally(_outlines(connection, study_id, paths))


def mark_pareto(connection: Connection, study_id: str, flags: Sequence[tuple[int, bool]]) -> None:
    """Set the Pareto flag of trials and nothing else."""
    _execute_many(connection, _FLAG, [{"of": study_id, "its_number": number, "flag": flag} for number, flag in flags])


def cancel_open(connection: Connection, study_id: str, reason: str) -> tuple[list[int], Tally, Tally]:
    """Cancel every trial that is not final: their numbers, and what they counted for before and after."""
    open_states = [state.value for state in TrialState if state not in FINAL_TRIAL_STATES]
    found = select(trial.c.number).where(trial.c.study_id == study_id, trial.c.state.in_(open_states)).order_by(trial.c.number)
    numbers = list(connection.execute(found).scalars())
    before = _outlines(connection, study_id, numbers)
    moves = [Move(number=number, state=TrialState.CANCELLED, reason=reason) for number in numbers]
    _execute_many(connection, _MOVE, [_move_columns(study_id, move) for move in moves])
    return numbers, _tally(before), _tally(_outlines(connection, study_id, numbers))


def standings(
    connection: Connection, study_id: str, asked: Sequence[str], final: int | None, tasks: Mapping[str, Task]
) -> tuple[Standing, ...]:
    """Every trial in order of number: these metrics of its results, and all of those from the `final` rung on."""
    rows = connection.execute(_standings(asked), {"of": study_id, "final": final})
    return tuple(_standing(row, asked, tasks) for row in rows)


@dataclass(frozen=True, slots=True)
class _Outline:
    """What the transition check and the counters need of a row."""

    state: TrialState
    measured: bool


_OF = trial.c.study_id == bindparam("of")
_THIS = and_(_OF, trial.c.number == bindparam("its_number"))
_NOW = func.clock_timestamp()
_ADD_ARCHITECTURE = insert(architecture).on_conflict_do_nothing()
_INSERT = insert(trial)
_CHANGING = (
    "state",
    "rung",
    "score",
    "score_low",
    "score_high",
    "interval",
    "n_replicas",
    "metrics",
    "pareto",
    "twin",
    "reason",
)
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=["study_id", "number"],
    set_={name: _INSERT.excluded[name] for name in _CHANGING} | {"updated_at": _NOW},
)
_MOVE = update(trial).where(_THIS).values(state=bindparam("to"), reason=bindparam("because"), updated_at=_NOW)
_FLAG = update(trial).where(_THIS).values(pareto=bindparam("flag"))
_OUTLINES = select(trial.c.number, trial.c.state, trial.c.reference, trial.c.rung).where(
    _OF, trial.c.number == any_(bindparam("numbers", type_=ARRAY(Integer)))
)

_TRIED = (
    select(
        run.c.number,
        run.c.rung,
        func.max(run.c.attempt).label("attempts"),
        func.count().filter(run.c.state == "failed").label("failures"),
    )
    .where(run.c.study_id == bindparam("of"))
    .group_by(run.c.number, run.c.rung)
    .subquery()
)

_RATES: Any = literal_column(
    "(SELECT jsonb_object_agg(task ->> 'task', task -> 'learning_rate')"
    " FROM json_array_elements(nas_run.result -> 'tasks') AS task)",
    JSONB,
)


_FRESH: Any = literal_column(
    "(SELECT jsonb_agg(jsonb_build_object('task', task -> 'task', 'values', task -> 'values',"
    " 'standard_error', task -> 'standard_error')) FROM json_array_elements(nas_run.result -> 'tasks') AS task)",
    JSONB,
)


def _passed(asked: Sequence[str]) -> Subquery:
    """Of each trial, its results in order of rung: the metrics asked for, and their folders."""

    def by_rung(value: ColumnElement[Any]) -> Any:
        return func.array_agg(aggregate_order_by(value, run.c.rung))

    def metrics(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return type_coerce(by_rung(array([cast(column[name].astext, Double) for name in asked])), ARRAY(Double, dimensions=2))

    final = bindparam("final", type_=Integer)
    return (
        select(
            run.c.number,
            metrics(run.c.metrics).label("reported"),
            metrics(run.c.search_metrics).label("searched"),
            by_rung(run.c.folder).label("folders"),
            func.jsonb_agg(_RATES).filter(run.c.rung == final).label("rates"),
            func.jsonb_agg(aggregate_order_by(run.c.metrics, run.c.rung)).filter(run.c.rung >= final).label("finals"),
            func.max(run.c.rung).label("highest"),
            func.jsonb_agg(aggregate_order_by(_FRESH, run.c.rung)).filter(run.c.rung > final).label("fresh"),
        )
        .where(run.c.study_id == bindparam("of"), run.c.state == "succeeded")
        .group_by(run.c.number)
        .subquery()
    )


def _standings(asked: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Trials with their runs at the rungs passed, and those at the rung after: nobody tries one further up."""
    passed = _passed(asked)
    return (
        select(
            trial.c.number,
            trial.c.state,
            trial.c.genes,
            trial.c.architecture,
            array([trial.c.params, trial.c.active_params, trial.c.flops_per_token, trial.c.state_bytes]).label("cost"),
            trial.c.reference,
            trial.c.twin,
            passed.c.reported,
            passed.c.searched,
            passed.c.folders,
            passed.c.rates,
            passed.c.finals,
            passed.c.fresh,
            func.coalesce(_TRIED.c.attempts, 0).label("attempts"),
            func.coalesce(_TRIED.c.failures, 0).label("failures"),
        )
        .outerjoin(passed, passed.c.number == trial.c.number)
        .outerjoin(_TRIED, and_(_TRIED.c.number == trial.c.number, _TRIED.c.rung > func.coalesce(passed.c.highest, -1)))
        .where(_OF)
        .order_by(trial.c.number)
    )


def _execute_many(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    """One pipelined round trip for all rows; nothing for none."""
    if rows:
        connection.execute(statement, rows)


def _outlines(connection: Connection, study_id: str, numbers: Iterable[int]) -> dict[int, _Outline]:
    rows = connection.execute(_OUTLINES, {"of": study_id, "numbers": sorted(numbers)})
    return {row.number: _outline(row) for row in rows}


def _outline(row: Row[*tuple[Any, ...]]) -> _Outline:
    state = TrialState(row.state)
    return _Outline(state, row.reference is None and (row.rung is not None or state is TrialState.FAILED))


def _tally(outlines: dict[int, _Outline]) -> Tally:
    return Tally(
        Counter(outline.state.value for outline in outlines.values()), sum(outline.measured for outline in outlines.values())
    )


def _columns(study_id: str, item: Trial) -> dict[str, Any]:
    return {
        "study_id": study_id,
        "number": item.number,
        "state": item.state.value,
        "reference": item.reference,
        "genes": item.params,
        "architecture": item.architecture.digest,
        "summary": storable(item.summary),
        "params": item.cost.params,
        "active_params": item.cost.active_params,
        "flops_per_token": item.cost.flops_per_token,
        "state_bytes": item.cost.state_bytes,
        "rung": item.rung,
        "pareto": item.pareto,
        "twin": item.twin,
        "reason": storable(item.reason),
        **(_confirmed_columns(item.confirmed) if item.confirmed else _score_columns(item.result)),
    }


def _score_columns(result: Result | None) -> dict[str, Any]:
    if result is None:
        return dict.fromkeys(("score", "score_low", "score_high", "interval", "n_replicas")) | {"metrics": {}}
    return {
        "score": result.score,
        "score_low": result.score_low,
        "score_high": result.score_high,
        "interval": result.interval,
        "n_replicas": min((len(task.values) for task in result.tasks), default=0),
        "metrics": reported_metrics(result),
    }


def _confirmed_columns(confirmed: Confirmed) -> dict[str, Any]:
    return {
        "score": confirmed.score,
        "score_low": confirmed.score_low,
        "score_high": confirmed.score_high,
        "interval": confirmed.interval,
        "n_replicas": confirmed.n_seeds,
        "metrics": confirmed.metrics,
    }


def _move_columns(study_id: str, move: Move) -> dict[str, Any]:
    return {"of": study_id, "its_number": move.number, "to": move.state.value, "because": storable(move.reason)}


def _standing(row: Row[*tuple[Any, ...]], asked: Sequence[str], tasks: Mapping[str, Task]) -> Standing:
    number, state, genes, digest, cost, reference, twin, reported, searched, folders, rates, finals, fresh, *tried = row
    params, active_params, flops_per_token, state_bytes = cost
    attempts, failures = tried
    return Standing(
        number=number,
        state=TrialState(state),
        params=genes,
        digest=digest,
        cost=Cost(params=params, active_params=active_params, flops_per_token=flops_per_token, state_bytes=state_bytes),
        reference=reference,
        twin=twin,
        reported=tuple(_named(asked, values) for values in reported or ()),
        searched=tuple(_named(asked, values) for values in searched or ()),
        folders=tuple(folders or ()),
        rates=rates[0] if rates else {},
        finals=tuple(finals or ()),
        errors=tuple(sample_error(found, tasks) for found in fresh or ()),
        attempts=attempts,
        failures=failures,
    )


def _named(asked: Sequence[str], values: Sequence[float | None]) -> dict[str, float]:
    return {name: value for name, value in zip(asked, values, strict=True) if value is not None}
