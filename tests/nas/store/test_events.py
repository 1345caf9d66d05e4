"""Events have one order, and the bell rings for them."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, text

from nas.store.events import EventBell
from nas.store.reads import events_after
from nas.store.submissions import set_wish, submit_study
from nas.study import Wish
from tests.nas.store.examples import ALICE, spec


def test_events_are_seen_in_the_order_they_commit(engine: Engine) -> None:
    """A reader that follows by number while many write must never see a number appear below one it has."""
    study_id = submit_study(engine, ALICE, spec()).study_id
    followed: list[int] = [0]

    def write(n: int) -> None:
        set_wish(engine, ALICE, study_id, Wish.PAUSE if n % 2 else Wish.RUN)

    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write, n) for n in range(200)]
        while not all(done.done() for done in writes):
            followed += [event.seq for event in events_after(engine, ALICE, study_id, followed[-1])]
        for done in writes:
            done.result()
    followed += [event.seq for event in events_after(engine, ALICE, study_id, followed[-1])]
    stored = [event.seq for event in events_after(engine, ALICE, study_id, 0)]
    assert followed[1:] == stored == list(range(1, len(stored) + 1))
    assert len(stored) > 2


def _with_bell(url: str, watch: Callable[[EventBell], Awaitable[None]]) -> None:
    async def run() -> None:
        bell = EventBell(url)
        listening = asyncio.create_task(bell.run())
        try:
            await watch(bell)
        finally:
            listening.cancel()

    asyncio.run(run())


def test_bell_rings_for_its_study_only(engine: Engine, database_url: str) -> None:
    mine, other = (submit_study(engine, ALICE, spec()).study_id for _ in range(2))

    async def watch(bell: EventBell) -> None:
        with bell.subscribe(mine) as ring, bell.subscribe(other) as silent:
            # the first ring says that the bell listens now
            await asyncio.wait_for(ring.wait(), 10)
            await asyncio.wait_for(silent.wait(), 10)
            ring.clear()
            silent.clear()
            await asyncio.to_thread(set_wish, engine, ALICE, mine, Wish.PAUSE)
            await asyncio.wait_for(ring.wait(), 10)
            assert not silent.is_set()

    _with_bell(database_url, watch)


def test_bell_listens_again_after_its_connection_was_ended(engine: Engine, database_url: str) -> None:
    study_id = submit_study(engine, ALICE, spec()).study_id

    def end_listeners() -> None:
        with engine.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nas-bell'")
            )

    async def watch(bell: EventBell) -> None:
        with bell.subscribe(study_id) as ring:
            await asyncio.wait_for(ring.wait(), 10)
            ring.clear()
            await asyncio.to_thread(end_listeners)
            # rings by itself once it listens again: something may have been missed
            await asyncio.wait_for(ring.wait(), 10)
            ring.clear()
            await asyncio.to_thread(set_wish, engine, ALICE, study_id, Wish.PAUSE)
            await asyncio.wait_for(ring.wait(), 10)

    _with_bell(database_url, watch)


def test_bell_forgets_who_has_left(database_url: str) -> None:
    bell = EventBell(database_url)

    async def come_and_go() -> None:
        for _ in range(3):
            with bell.subscribe("study"), bell.subscribe("study"):
                assert len(bell._rings["study"]) == 2
        assert bell._rings == {}

    asyncio.run(come_and_go())
