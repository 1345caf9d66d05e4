"""Events: numbered under the study's row lock, so that commit order is their order; and waking those who watch.

One LISTEN connection per process serves any number of watchers.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from nas.ports import Event
from nas.store.engine import parse_url, storable
from nas.store.schema import event, study

CHANNEL = "nas_event"
"""NOTIFY carries the id of a study that has news."""

_RECONNECT_SECONDS = 1.0


def append_events(connection: Connection, study_id: str, last_event: int, events: Sequence[Event]) -> None:
    """Number the events after `last_event`, store them, and wake the watchers at commit. The study's row must be locked."""
    if not events:
        return
    rows = [
        {"study_id": study_id, "seq": seq, "kind": item.kind, "data": storable(item.data)}
        for seq, item in enumerate(events, start=last_event + 1)
    ]
    connection.execute(insert(event), rows)
    connection.execute(update(study).where(study.c.id == study_id).values(last_event=last_event + len(rows)))
    connection.execute(select(func.pg_notify(CHANNEL, study_id)))


class EventBell:
    """Rings for a study when an event of it was committed.

    Run `run()` as one task of the process. A watcher subscribes, then in a loop: clear the ring, read `events_after`, send,
    and wait for the ring with a timeout (the heartbeat). Clearing before reading means no event is missed; when the
    database is away the timeout still leads to a read.

        with bell.subscribe(study_id) as ring:
            while True:
                ring.clear()
                events = await run_in_threadpool(events_after, engine, principal, study_id, seq)
                ...
                with suppress(TimeoutError):
                    await asyncio.wait_for(ring.wait(), 15)
    """

    def __init__(self, url: str) -> None:
        self._conninfo = parse_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._rings: dict[str, set[asyncio.Event]] = {}

    async def run(self) -> None:
        """Listen until cancelled; reconnect when the database comes back."""
        while True:
            try:
                await self._listen()
            except psycopg.Error:
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True, application_name="nas-bell")
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            # what was committed while nobody listened
            for study_id in list(self._rings):
                self._ring(study_id)
            async for notification in connection.notifies():
                self._ring(notification.payload)

    def _ring(self, study_id: str) -> None:
        for ring in self._rings.get(study_id, ()):
            ring.set()

    @contextmanager
    def subscribe(self, study_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the study may have news."""
        ring = asyncio.Event()
        self._rings.setdefault(study_id, set()).add(ring)
        try:
            yield ring
        finally:
            rings = self._rings[study_id]
            rings.discard(ring)
            if not rings:
                del self._rings[study_id]
