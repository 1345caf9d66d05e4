"""The writer's side of the store: claims with a lease and a rising fence, and batches that apply once or not at all.

Every write locks the study's row first. That makes the fence check, the batch sequence, the event numbers and the counters
all of one piece: what commits later has the higher numbers.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Row, and_, bindparam, case, func, select, update

from nas.errors import StaleFence
from nas.objectives import asked_of
from nas.ports import Batch, Claim, Event, History, RunRecord
from nas.run import RunState
from nas.store import run_rows, trial_rows
from nas.store.engine import storable, transaction
from nas.store.events import append_events
from nas.store.schema import study
from nas.store.transitions import IllegalTransition, check_study
from nas.store.trial_rows import Tally
from nas.study import FINAL_STUDY_STATES, StudySpec, StudyState, Wish
from nas.trial import TrialState

_NOW = func.clock_timestamp()


@dataclass(frozen=True, slots=True)
class PostgresDriverStore:
    """`nas.ports.DriverStore` on PostgreSQL. `IllegalTransition` means that the driver has a bug; nothing was written."""

    engine: Engine

    def claim(self, driver_id: str, lease_seconds: float) -> Claim | None:
        """Take one study that is not final and has no live lease, oldest first; None when there is none."""
        while True:
            with transaction(self.engine) as connection:
                row = connection.execute(_CLAIM, {"driver": driver_id, "seconds": lease_seconds}).one_or_none()
                if row is None:
                    return None
                claim = _claimed(row, driver_id)
                if claim is not None:
                    return claim
                _fail_unreadable(connection, row.id)

    def renew(self, claim: Claim, lease_seconds: float) -> Wish:
        """Extend the lease; returns what the user wants now."""
        with transaction(self.engine) as connection:
            values = {"of": claim.study_id, "its_fence": claim.fence, "seconds": lease_seconds}
            wish = connection.execute(_RENEW, values).scalar_one_or_none()
        if wish is None:
            raise _stale(claim)
        return Wish(wish)

    def release(self, claim: Claim) -> None:
        """Give the study back, for any driver to take."""
        with transaction(self.engine) as connection:
            _lock(connection, claim)
            connection.execute(update(study).where(study.c.id == claim.study_id).values(lease_driver=None, lease_expires=None))

    def history(self, claim: Claim) -> History:
        """Everything needed to go on where the last driver stopped."""
        with transaction(self.engine) as connection:
            last_sequence = _lock(connection, claim).batch_sequence
            protocol = claim.spec.protocol
            final = protocol.last_rung if claim.spec.confirmation else None
            return History(
                trials=trial_rows.standings(connection, claim.study_id, asked_of(claim.spec), final, protocol.by_key()),
                running=run_rows.in_flight(connection, claim.study_id),
                last_sequence=last_sequence,
            )

    def write(self, claim: Claim, batch: Batch) -> None:
        """Apply the batch in one transaction, or raise and change nothing."""
        with transaction(self.engine) as connection:
            row = _lock(connection, claim)
            if batch.sequence <= row.batch_sequence:
                return
            if batch.sequence != row.batch_sequence + 1:
                raise IllegalTransition(
                    f"batch {batch.sequence} follows batch {row.batch_sequence}; send {row.batch_sequence + 1}"
                )
            before, after = trial_rows.write(connection, claim.study_id, batch.trials, batch.moves)
            run_rows.write(connection, claim.study_id, batch.runs)
            trial_rows.mark_pareto(connection, claim.study_id, batch.pareto)
            values = {
                "batch_sequence": batch.sequence,
                "counts": _moved_counts(row.counts, before, after),
                "measured": row.measured + after.measured - before.measured,
                **_moved_state(claim.study_id, StudyState(row.state), batch),
            }
            events = batch.events
            if batch.study_state is StudyState.FAILED:
                ended, values["counts"] = _end_open(connection, claim.study_id, values["counts"])
                events = (*ended, *events)
            append_events(connection, claim.study_id, row.last_event, events)
            connection.execute(update(study).where(study.c.id == claim.study_id).values(values))


_FREE = and_(
    study.c.state.not_in([state.value for state in FINAL_STUDY_STATES]),
    study.c.lease_expires.is_(None) | (study.c.lease_expires < _NOW),
)
_LEASE = {"lease_expires": _NOW + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds"))}
_CLAIM = (
    update(study)
    .where(
        study.c.id
        == select(study.c.id)
        .where(_FREE)
        .order_by(study.c.created_at, study.c.id)
        .limit(1)
        .with_for_update(skip_locked=True, key_share=True)
        .scalar_subquery()
    )
    .values(lease_driver=bindparam("driver"), fence=study.c.fence + 1, **_LEASE)
    .returning(study.c.id, study.c.fence, study.c.spec, study.c.state)
)
_RENEW = (
    update(study)
    .where(study.c.id == bindparam("of"), study.c.fence == bindparam("its_fence"))
    .values(_LEASE)
    .returning(study.c.wish)
)
_OWNED = (
    select(study.c.state, study.c.batch_sequence, study.c.last_event, study.c.counts, study.c.measured)
    .where(study.c.id == bindparam("of"), study.c.fence == bindparam("its_fence"))
    .with_for_update(key_share=True)
)


def _lock(connection: Connection, claim: Claim) -> Row[*tuple[Any, ...]]:
    """The study's row, locked until the transaction ends. Raises `StaleFence` when another driver has claimed it since."""
    row = connection.execute(_OWNED, {"of": claim.study_id, "its_fence": claim.fence}).one_or_none()
    if row is None:
        raise _stale(claim)
    return row


def _stale(claim: Claim) -> StaleFence:
    return StaleFence(f"study {claim.study_id} has a newer driver than fence {claim.fence}: drop it and claim again")


def _claimed(row: Row[*tuple[Any, ...]], driver_id: str) -> Claim | None:
    """None when this version cannot read the study."""
    try:
        spec = StudySpec.from_json(row.spec)
    except ValidationError:
        return None
    return Claim(study_id=row.id, driver_id=driver_id, fence=row.fence, spec=spec, state=StudyState(row.state))


def _fail_unreadable(connection: Connection, study_id: str) -> None:
    """A study of another version must not stop the others: it fails and says why."""
    reason = "this version cannot read the study's spec: submit it again"
    failed = {"state": StudyState.FAILED.value, "reason": reason, "ended_at": _NOW, "lease_driver": None, "lease_expires": None}
    made = update(study).where(study.c.id == study_id).values(failed).returning(study.c.last_event, study.c.counts)
    row = connection.execute(made).one()
    ended, counts = _end_open(connection, study_id, row.counts)
    connection.execute(update(study).where(study.c.id == study_id).values(counts=counts))
    event = Event(kind="study.state", data={"state": StudyState.FAILED.value, "reason": reason})
    append_events(connection, study_id, row.last_event, [*ended, event])


def _end_open(connection: Connection, study_id: str, counts: dict[str, int]) -> tuple[tuple[Event, ...], dict[str, int]]:
    """A study that fails leaves nothing open, whatever its driver still knew: runs are lost, trials cancelled."""
    reason = "the study failed"
    lost = run_rows.in_flight(connection, study_id)
    run_rows.write(connection, study_id, [RunRecord(key=key, state=RunState.LOST, reason=reason) for key in lost])
    cancelled, before, after = trial_rows.cancel_open(connection, study_id, reason)
    ends = [
        ("run.ended", {"number": key.number, "rung": key.rung, "attempt": key.attempt, "state": RunState.LOST.value})
        for key in lost
    ]
    ends += [("trial.state", {"number": number, "state": TrialState.CANCELLED.value}) for number in cancelled]
    events = tuple(Event(kind=kind, data=data | {"reason": reason}) for kind, data in ends)
    return events, _moved_counts(counts, before, after)


def _moved_counts(counts: dict[str, int], before: Tally, after: Tally) -> dict[str, int]:
    total = Counter(counts)
    total.update(after.counts)
    total.subtract(before.counts)
    return {state: n for state, n in sorted(total.items()) if n}


def _moved_state(study_id: str, old: StudyState, batch: Batch) -> dict[str, Any]:
    """The study's columns that the batch's state, reason and wish change."""
    values: dict[str, Any] = {}
    if batch.study_state is not None or batch.reason is not None:
        values["reason"] = storable(batch.reason)
    if batch.wish is not None:
        values["wish"] = case((study.c.wish == Wish.RUN.value, batch.wish.value), else_=study.c.wish)
    new = batch.study_state
    if new is None or new is old:
        return values
    check_study(study_id, old, new)
    values["state"] = new.value
    if new is StudyState.RUNNING:
        values["started_at"] = func.coalesce(study.c.started_at, _NOW)
    if new in FINAL_STUDY_STATES:
        values |= {"ended_at": _NOW, "lease_driver": None, "lease_expires": None}
    return values
