"""What is selected for each view, and how a row becomes it."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import FromClause, Row, func, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by

from nas.run import Failure, Result, RunState
from nas.store.schema import SCORED, study, trial
from nas.store.views import Companion, EventView, RunView, StudyRow, TrialRow
from nas.study import FINAL_STUDY_STATES, StudyState, Wish
from nas.trial import TrialState
from search_spaces.primitives import Cost

AnyRow = Row[*tuple[Any, ...]]

ALIVE: Final = func.coalesce(study.c.lease_expires > func.clock_timestamp(), False)
"""A driver holds the study."""

_best: Final = (
    select(trial.c.number, trial.c.score)
    .where(trial.c.study_id == study.c.id, SCORED)
    .order_by(trial.c.rung.desc(), trial.c.score.desc(), (-trial.c.number).desc())
    .limit(1)
    .lateral("best")
)


def _companion_of(other: FromClause) -> Any:
    """A study as another one names it."""
    parts = {name: other.c[name] for name in ("id", "name", "state", "measured", "budget", "last_event")}
    sampler = func.json_extract_path_text(other.c.spec, "sampler", "name")
    return func.jsonb_build_object(*(part for pair in parts.items() for part in pair), "sampler", sampler)


_other: Final = study.alias("other")
_ACCOMPANIES: Final = select(_companion_of(_other)).where(_other.c.id == study.c.accompanies).scalar_subquery()
BASELINES: Final = (
    select(func.jsonb_agg(aggregate_order_by(_companion_of(_other), _other.c.created_at, _other.c.id)))
    .where(_other.c.accompanies == study.c.id)
    .scalar_subquery()
)
"""The baselines of a study, in order; NULL without any."""

STUDIES: Final = select(
    study.c.id,
    study.c.owner,
    study.c.name,
    study.c.state,
    study.c.wish,
    study.c.reason,
    study.c.digest,
    study.c.counts,
    study.c.measured,
    study.c.budget,
    study.c.last_event,
    study.c.created_at,
    study.c.started_at,
    study.c.ended_at,
    ALIVE.label("driver_alive"),
    _ACCOMPANIES.label("accompanies"),
    BASELINES.label("baselines"),
    _best.c.score.label("best_score"),
    _best.c.number.label("best_number"),
).outerjoin(_best, true())

TRIALS: Final = select(
    trial.c.number,
    trial.c.state,
    trial.c.reference,
    trial.c.summary,
    trial.c.architecture,
    trial.c.params,
    trial.c.active_params,
    trial.c.flops_per_token,
    trial.c.state_bytes,
    trial.c.rung,
    trial.c.score,
    trial.c.score_low,
    trial.c.score_high,
    trial.c.interval,
    trial.c.n_replicas,
    trial.c.metrics,
    trial.c.pareto,
    trial.c.twin,
    trial.c.reason,
    trial.c.created_at,
    trial.c.updated_at,
)


def study_row(row: AnyRow) -> StudyRow:
    """From a row of `STUDIES`."""
    state = StudyState(row.state)
    return StudyRow(
        id=row.id,
        owner=row.owner,
        name=row.name,
        state=state,
        wish=Wish(row.wish),
        reason=row.reason,
        digest=row.digest,
        counts={TrialState(name): n for name, n in row.counts.items()},
        measured=row.measured,
        budget=row.budget,
        progress=1.0 if state in FINAL_STUDY_STATES else min(1.0, row.measured / row.budget),
        best_score=row.best_score,
        best_number=row.best_number,
        driver_alive=row.driver_alive,
        last_event=row.last_event,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        accompanies=None if row.accompanies is None else companion(row.accompanies),
        baselines=tuple(map(companion, row.baselines or ())),
    )


def companion(data: Mapping[str, Any]) -> Companion:
    """From one of `BASELINES`."""
    return Companion(**{**data, "state": StudyState(data["state"])})


def trial_row(row: AnyRow) -> TrialRow:
    """From a row of `TRIALS`."""
    return TrialRow(
        number=row.number,
        state=TrialState(row.state),
        reference=row.reference,
        summary=row.summary,
        architecture_digest=row.architecture,
        cost=Cost(
            params=row.params,
            active_params=row.active_params,
            flops_per_token=row.flops_per_token,
            state_bytes=row.state_bytes,
        ),
        rung=row.rung,
        score=row.score,
        score_low=row.score_low,
        score_high=row.score_high,
        interval=row.interval,
        n_replicas=row.n_replicas,
        metrics=row.metrics,
        pareto=row.pareto,
        twin=row.twin,
        reason=row.reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def run_view(row: AnyRow) -> RunView:
    """From a row of `nas_run`."""
    return RunView(
        rung=row.rung,
        attempt=row.attempt,
        state=RunState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        reason=row.reason,
        result=Result.from_json(row.result) if row.result else None,
        failure=Failure.from_json(row.failure) if row.failure else None,
    )


def event_view(row: AnyRow) -> EventView:
    """From a row of `nas_event`."""
    return EventView(seq=row.seq, kind=row.kind, data=row.data, at=row.at)
