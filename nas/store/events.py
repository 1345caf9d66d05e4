"""Waking watchers when a study has news: one LISTEN connection per process, however many watch."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


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
        raise NotImplementedError

    async def run(self) -> None:
        """Listen until cancelled; reconnect when the database comes back."""
        raise NotImplementedError

    @contextmanager
    def subscribe(self, study_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the study may have news."""
        raise NotImplementedError
