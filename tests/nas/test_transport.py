"""Retries that cannot do harm, refusals as exceptions, streams that are taken up where they broke: against a bad server."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nas import transport
from nas.connection import Connection
from nas.problem import InvalidRequest, KeyRefused, NothingThere, ServerFault, StateConflict, TooManyRequests, Unreachable
from nas.transport import Transport

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class BadServer:
    """Gives its answers in turn and remembers what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        self.asked.append((handler.command, handler.path, dict(handler.headers), body))
        self.answers.pop(0)(handler)


@pytest.fixture
def server() -> Iterator[BadServer]:
    found = BadServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.serve(self)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        found.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield found
        http.shutdown()
        thread.join()


@pytest.fixture
def client(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    monkeypatch.setattr(transport, "FIRST_DELAY_SECONDS", 0.01)
    found = Transport(Connection(url=server.url, key="nas_a_secret"))
    yield found
    found.close()


def status(code: int, body: object = None, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def stream(*frames: str, whole: bool) -> Answer:
    """Server-sent events; `whole` streams end in good order, the others break off in the middle of a chunk."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for frame in frames:
            handler.wfile.write(f"{len(frame.encode()):x}\r\n{frame}\r\n".encode())
        handler.wfile.write(b"0\r\n\r\n" if whole else b"ff\r\n")
        handler.close_connection = True

    return answer


def event(seq: int) -> str:
    return f"id: {seq}\nevent: run.ended\ndata: {seq}\n\n"


OK = status(200, {"fine": True})


@pytest.mark.parametrize("trouble", [hang_up, status(503), status(502), status(504), status(429, Retry_After="0")])
def test_reading_is_repeated_after_a_passing_failure(server: BadServer, client: Transport, trouble: Answer) -> None:
    server.answers = [trouble, trouble, OK]
    assert json.loads(client.get("/x")) == {"fine": True}
    assert len(server.asked) == 3


def test_post_with_an_idempotency_key_is_repeated_with_the_same_key(server: BadServer, client: Transport) -> None:
    server.answers = [hang_up, status(503), OK]
    client.post("/x", "{}", idempotency_key="k")
    assert [(headers["Idempotency-Key"], body) for _, _, headers, body in server.asked] == [("k", b"{}")] * 3


@pytest.mark.parametrize("trouble", [hang_up, status(503)])
def test_post_without_a_key_is_never_repeated(server: BadServer, client: Transport, trouble: Answer) -> None:
    server.answers = [trouble, OK]
    with pytest.raises((Unreachable, ServerFault)):
        client.post("/x", "{}")
    assert len(server.asked) == 1


def test_retries_come_to_an_end(server: BadServer, client: Transport) -> None:
    server.answers = [status(503, {"title": "away", "detail": "later"})] * transport.ATTEMPTS
    with pytest.raises(ServerFault, match="away: later"):
        client.get("/x")
    assert server.answers == []


def test_silence_says_how_to_start_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "FIRST_DELAY_SECONDS", 0.01)
    with pytest.raises(Unreachable, match="nas up"):
        Transport(Connection(url="http://127.0.0.1:9")).get("/x")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, InvalidRequest),
        (401, KeyRefused),
        (403, KeyRefused),
        (404, NothingThere),
        (409, StateConflict),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (500, ServerFault),
    ],
)
def test_refusals_carry_the_problem_document(
    server: BadServer, client: Transport, code: int, kind: type[InvalidRequest]
) -> None:
    errors = [{"pointer": "/budget/trials", "reason": "should be at least 1"}]
    document = {"title": "no", "detail": "why", "code": "c", "request_id": "r", "errors": errors}
    server.answers = [status(code, document)]
    with pytest.raises(kind) as caught:
        client.get("/x")
    problem = caught.value.problem
    assert (problem.status, problem.code, problem.request_id) == (code, "c", "r")
    assert (problem.errors[0].pointer, problem.errors[0].reason) == ("/budget/trials", "should be at least 1")
    assert str(caught.value) == "no: why\n  /budget/trials: should be at least 1"


def test_refusal_that_is_no_problem_document_is_shown_as_it_is(server: BadServer, client: Transport) -> None:
    server.answers = [status(418, ["short and stout"])]
    with pytest.raises(InvalidRequest, match="short and stout"):
        client.get("/x")


def test_too_many_requests_is_its_own_kind_in_the_end(server: BadServer, client: Transport) -> None:
    server.answers = [status(429, Retry_After="0")] * transport.ATTEMPTS
    with pytest.raises(TooManyRequests):
        client.get("/x")


def test_key_travels_as_a_bearer_token(server: BadServer, client: Transport) -> None:
    server.answers = [OK]
    client.get("/x")
    assert server.asked[0][2]["Authorization"] == "Bearer nas_a_secret"


def test_unset_parameters_stay_away_and_lists_repeat(server: BadServer, client: Transport) -> None:
    server.answers = [OK]
    client.get("/x", {"state": ("a", "b"), "cursor": None, "limit": 3})
    assert server.asked[0][1] == "/x?state=a&state=b&limit=3"


def test_broken_stream_is_taken_up_where_it_broke(server: BadServer, client: Transport) -> None:
    server.answers = [
        stream(event(1), ": still here\n\n", event(2), whole=False),
        status(503),
        hang_up,
        stream(event(3), whole=True),
        status(204),
    ]
    assert [sent.data for sent in client.events("/events", 0)] == ["1", "2", "3"]
    assert [headers["Last-Event-ID"] for _, _, headers, _ in server.asked] == ["0", "2", "2", "2", "3"]


def test_stream_of_something_forbidden_is_refused(server: BadServer, client: Transport) -> None:
    server.answers = [status(404, {"title": "no"})]
    with pytest.raises(NothingThere):
        next(client.events("/events", 0))


def test_stream_gives_up_when_nobody_answers(server: BadServer, client: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "ATTEMPTS", 2)
    server.answers = [stream(event(1), whole=False)] + [hang_up] * 100
    found = client.events("/events", 0)
    assert next(found).data == "1"
    with pytest.raises(Unreachable):
        next(found)


def test_download_that_breaks_off_is_not_taken_for_whole(server: BadServer, client: Transport) -> None:
    server.answers = [stream("half of it", whole=False)]
    with pytest.raises(Unreachable), client.download("/export") as chunks:
        list(chunks)
