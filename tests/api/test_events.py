"""The event stream: complete, resumable, ending with the study, and leaving nothing behind."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice

import httpx
from httpx_sse import EventSource, connect_sse

from api.routers.events import STREAMS_PER_KEY
from nas.store.api_keys import create_key, revoke_key
from nas.study import StudyState
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver


def seqs(source: EventSource) -> list[int]:
    return [int(event.id) for event in source.iter_sse()]


def finished(service: Service, study_id: str) -> None:
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(30)
    driver.become(StudyState.FAILED, "the end")


def test_events_are_numbered_named_and_end_with_the_study(service: Service, client: httpx.Client, submit: Submit):
    study_id = submit()
    finished(service, study_id)
    with connect_sse(client, "GET", f"/v1/studies/{study_id}/events") as source:
        assert source.response.headers["Content-Type"].startswith("text/event-stream")
        events = list(source.iter_sse())
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    assert [events[0].event, events[1].event, events[-1].event] == ["study.submitted", "study.state", "study.state"]
    last = json.loads(events[-1].data)
    assert last["kind"] == "study.state"
    assert last["seq"] == len(events)
    assert last["data"] == {"state": "failed", "reason": "the end"}


def test_events_resume_after_the_last_one_seen(service: Service, client: httpx.Client, submit: Submit):
    study_id = submit()
    finished(service, study_id)
    path = f"/v1/studies/{study_id}/events"
    with connect_sse(client, "GET", path, headers={"Last-Event-ID": "7"}) as source:
        resumed = seqs(source)
    assert resumed[0] == 8
    with connect_sse(client, "GET", path, params={"after": resumed[-1] - 1}) as source:
        assert seqs(source) == resumed[-1:]
    with connect_sse(client, "GET", path, params={"after": 3}, headers={"Last-Event-ID": "9"}) as source:
        assert seqs(source)[0] == 10
    # nothing more will ever come: a browser must not ask again
    assert client.get(path, headers={"Last-Event-ID": str(resumed[-1])}).status_code == 204


def test_events_arrive_as_they_happen(service: Service, client: httpx.Client, submit: Submit):
    study_id = submit()
    driver = Driver(service.engine, study_id)

    def drive() -> None:
        driver.become(StudyState.RUNNING)
        driver.become(StudyState.FAILED)

    writer = threading.Thread(target=drive)
    with connect_sse(client, "GET", f"/v1/studies/{study_id}/events", params={"after": 1}) as source:
        lines = source.response.iter_lines()
        # the heartbeat says that the reader is waiting: what follows was pushed
        assert next(lines).startswith(":")
        writer.start()
        assert [line for line in lines if line.startswith("id:")] == ["id: 2", "id: 3"]
    writer.join()


def test_a_reader_who_leaves_leaves_nothing_behind(service: Service, client: httpx.Client, submit: Submit):
    study_id = submit()
    for _ in range(5):
        with client.stream("GET", f"/v1/studies/{study_id}/events") as response:
            next(response.iter_lines())
            assert study_id in service.watched()
    wait_until(lambda: study_id not in service.watched())


def test_a_revoked_key_ends_its_stream(service: Service, client: httpx.Client, owner: str, submit: Submit):
    study_id = submit()
    minted = create_key(service.engine, owner, ("read",))
    path = f"/v1/studies/{study_id}/events?after=1"
    with service.client(minted.token) as reader, connect_sse(reader, "GET", path) as source:
        lines = source.response.iter_lines()
        next(lines)
        revoke_key(service.engine, minted.key_id)
        client.post(f"/v1/studies/{study_id}:pause")
        # the blank line after the heartbeat, and then the end
        assert list(islice(lines, 3)) == [""]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_key_has_so_many_streams_at_once_and_no_more(service: Service, client: httpx.Client, owner: str, submit: Submit):
    path = f"/v1/studies/{submit()}/events"
    with ExitStack() as streams:
        for _ in range(STREAMS_PER_KEY):
            assert streams.enter_context(client.stream("GET", path)).status_code == 200
        refused = client.get(path)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "15"
        assert refused.json()["code"] == "too_many"
        with service.client(service.key(owner)) as other, other.stream("GET", path) as response:
            assert response.status_code == 200
    wait_until(lambda: not service.app.state.services.streams)
    with client.stream("GET", path) as response:
        assert response.status_code == 200


def test_refused_streams_take_no_place(service: Service, client: httpx.Client):
    for _ in range(STREAMS_PER_KEY + 1):
        assert client.get("/v1/studies/none/events").status_code == 404
    wait_until(lambda: not service.app.state.services.streams)
