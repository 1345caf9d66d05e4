"""A study's events as a stream (SSE): the id is the event's number, so that a reader resumes where it was cut off."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from api.answer import encode
from api.errors import TooMany
from api.openapi import event_schema
from api.routers.parameters import StudyId
from api.security import IdentifyDep, Reader
from api.services import ServicesDep
from nas.errors import Denied, NotFound, StoreUnavailable
from nas.store.events import EventBell
from nas.store.reads import events_after, get_study
from nas.store.views import EventView
from nas.study import FINAL_STUDY_STATES

router = APIRouter(prefix="/v1/studies/{study_id}", tags=["events"])

HEARTBEAT_SECONDS: Final = 15.0
STREAMS_PER_KEY: Final = 20
STREAMS: Final = 500
HEARTBEAT: Final = b": still here\n\n"

LastEventId = Annotated[int, Header(ge=0, lt=2**63, description="The last event seen; the stream goes on after it")]
After = Annotated[int, Query(ge=0, lt=2**63, description="The same, for browsers, which cannot set the header themselves")]
Read = Callable[[int], tuple[EventView, ...]]


async def place(principal: Reader, services: ServicesDep) -> AsyncIterator[None]:
    """Room for one more stream, held until its answer has ended however it ends. Raises `TooMany`."""
    open_now, key_id = services.streams, principal.key_id
    if open_now[key_id] >= STREAMS_PER_KEY or open_now.total() >= STREAMS:
        raise TooMany(f"a key has {STREAMS_PER_KEY} event streams at once, and the service {STREAMS}: close one, or wait")
    open_now[key_id] += 1
    try:
        yield
    finally:
        open_now -= Counter((key_id,))


@router.get(
    "/events",
    dependencies=[Depends(place)],
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"itemSchema": event_schema()}}},
        204: {"description": "The study has ended and every event was seen"},
    },
)
async def stream(
    study_id: StudyId,
    principal: Reader,
    identify: IdentifyDep,
    services: ServicesDep,
    last_event_id: LastEventId = 0,
    after: After = 0,
) -> Response:
    """Events after `Last-Event-ID`, then new ones as they happen, until the study has ended."""
    engine, seen = services.engine, max(last_event_id, after)
    study = await run_in_threadpool(get_study, engine, principal, study_id)
    if study.row.state in FINAL_STUDY_STATES and seen >= study.row.last_event:
        # 204 is how a browser learns not to connect again
        return Response(status_code=204)

    def read(seq: int) -> tuple[EventView, ...]:
        # asked anew each time: a stream outlives many keys
        return events_after(engine, identify(engine), study_id, seq)

    follow = _follow(services.bell, study_id, read, seen)
    return StreamingResponse(follow, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _follow(bell: EventBell, study_id: str, read: Read, seq: int) -> AsyncIterator[bytes]:
    """Subscribes only once somebody reads, and unsubscribes however reading ends. Ends when the key does."""
    with bell.subscribe(study_id) as ring, suppress(Denied, NotFound):
        while True:
            ring.clear()
            events: tuple[EventView, ...] = ()
            with suppress(StoreUnavailable):
                events = await run_in_threadpool(read, seq)
            for event in events:
                seq = event.seq
                yield format_sse_event(data_str=encode(event).decode(), event=event.kind, id=str(event.seq))
                if _is_final(event):
                    return
            if not events:
                yield HEARTBEAT
                with suppress(TimeoutError):
                    await asyncio.wait_for(ring.wait(), HEARTBEAT_SECONDS)


def _is_final(event: EventView) -> bool:
    return event.kind == "study.state" and event.data.get("state") in FINAL_STUDY_STATES
