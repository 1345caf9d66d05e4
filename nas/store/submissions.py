"""What users change: submit a study, and say what they want of it. The driver does the rest."""

import secrets
import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from nas.baselines import companions
from nas.errors import Conflict, Invalid
from nas.keys import Principal
from nas.ports import Event
from nas.store.access import no_study, visible
from nas.store.engine import transaction
from nas.store.events import append_events
from nas.store.schema import idempotency, study
from nas.study import FINAL_STUDY_STATES, StudySpec, StudyState, Wish


@dataclass(frozen=True, slots=True)
class Submission:
    """The study a submission made; `replayed` when an earlier one with the same idempotency key had made it."""

    study_id: str
    replayed: bool


def submit_study(
    engine: Engine, principal: Principal, spec: StudySpec, idempotency_key: str | None = None, digest: str | None = None
) -> Submission:
    """Store a study and its baselines, all of them committed when this returns.

    The same key with the same request, known by its digest or else the spec's, gives the same study, however many ask at once.
    Raises `Conflict` when the key was used with another, or the owner has a study of that name or of a baseline's;
    `Invalid` for a key that is not 1 to 200 printable ASCII characters.
    """
    if idempotency_key is not None and not _is_key(idempotency_key):
        raise Invalid("Idempotency-Key: give 1 to 200 printable ASCII characters, such as a UUID")
    study_id = _uuid7()
    with transaction(engine) as connection:
        if idempotency_key is not None:
            earlier = _take_key(connection, principal.owner, idempotency_key, digest or spec.digest, study_id)
            if earlier is not None:
                return Submission(earlier, replayed=True)
        _insert_study(connection, principal.owner, spec, study_id)
        for companion in companions(spec):
            _insert_study(connection, principal.owner, companion, _uuid7(), accompanies=study_id)
    return Submission(study_id, replayed=False)


def set_wish(engine: Engine, principal: Principal, study_id: str, wish: Wish) -> None:
    """Ask the study's driver to run, pause or stop it, and its baselines with it; asking twice is fine.

    A baseline can be asked alone; one that is final or stopping stays so. Raises `NotFound`, and `Conflict` when the study
    itself is final or stopping.
    """
    columns = (study.c.id, study.c.state, study.c.wish, study.c.last_event)
    asked = or_(study.c.id == study_id, study.c.accompanies == study_id)
    # always in one order, so that two who ask wait for each other and never both
    rows_of = select(*columns).where(asked, visible(principal)).order_by(study.c.id).with_for_update(key_share=True)
    with transaction(engine) as connection:
        rows = {row.id: row for row in connection.execute(rows_of)}
        if study_id not in rows:
            raise no_study(study_id)
        reason = _refusal(rows[study_id], wish)
        if reason is not None:
            raise Conflict(reason)
        for row in rows.values():
            if row.wish != wish and _refusal(row, wish) is None:
                connection.execute(update(study).where(study.c.id == row.id).values(wish=wish.value))
                append_events(connection, row.id, row.last_event, [Event(kind="study.wish", data={"wish": wish.value})])


def _is_key(text: str) -> bool:
    return 0 < len(text) <= 200 and text.isascii() and text.isprintable()


def _uuid7() -> str:
    """A UUID that sorts by when it was made (RFC 9562): 48 bits of milliseconds, then random."""
    bits = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def _take_key(connection: Connection, owner: str, key: str, digest: str, study_id: str) -> str | None:
    """Take the key for a new study; the study it already stands for when it was taken. Waits for one being taken now."""
    values = {"owner": owner, "key": key, "digest": digest, "study_id": study_id}
    taken = insert(idempotency).values(values).on_conflict_do_nothing().returning(idempotency.c.study_id)
    if connection.execute(taken).one_or_none() is not None:
        return None
    of_key = select(idempotency.c.digest, idempotency.c.study_id)
    earlier = connection.execute(of_key.where(idempotency.c.owner == owner, idempotency.c.key == key)).one()
    if earlier.digest != digest:
        raise Conflict(
            f"Idempotency-Key {key!r} was used for another study ({earlier.study_id}): take a new key for a new study"
        )
    return str(earlier.study_id)


def _insert_study(
    connection: Connection, owner: str, spec: StudySpec, study_id: str, *, accompanies: str | None = None
) -> None:
    values = {
        "id": study_id,
        "owner": owner,
        "name": spec.name,
        "spec": spec.to_json(),
        "digest": spec.digest,
        "budget": spec.budget.trials,
        "state": StudyState.QUEUED.value,
        "wish": Wish.RUN.value,
        "accompanies": accompanies,
    }
    made = insert(study).values(values).on_conflict_do_nothing(constraint="nas_study_name").returning(study.c.id)
    if connection.execute(made).one_or_none() is None:
        of = ", which is what its baseline would be called" if accompanies else ""
        raise Conflict(f"you already have a study named {spec.name!r}{of}: give `name` another value")
    told = {"name": spec.name} | ({"accompanies": accompanies} if accompanies else {})
    append_events(connection, study_id, 0, [Event(kind="study.submitted", data=told)])


def _refusal(row: Row[*tuple[Any, ...]], wish: Wish) -> str | None:
    """Why a study cannot do what is wanted; None when it can."""
    state = StudyState(row.state)
    if state in FINAL_STUDY_STATES:
        return f"the study is {state} and stays so; submit it again under another name to search on"
    stopping = state is StudyState.STOPPING or row.wish == Wish.STOP
    if stopping and wish is not Wish.STOP:
        return "the study is stopping, which is final; submit it again under another name to search on"
    return None
