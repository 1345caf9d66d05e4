"""HTTP as the client needs it: time limits, retries that cannot do harm, refusals as exceptions, streams that reconnect.

A request is repeated only when repeating is safe: it reads, or it carries an idempotency key, or the server never saw it.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent

from nas.connection import Connection
from nas.problem import Problem, Unreachable, failure_of

CONNECT_SECONDS, READ_SECONDS, STREAM_SECONDS, DOWNLOAD_SECONDS = 5.0, 60.0, 60.0, 600.0
"""What is downloaded may be written only then: a graph of a large model takes minutes."""
ATTEMPTS, CONNECT_ATTEMPTS = 6, 3
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.25, 8.0
RETRIED_STATUS = frozenset({429, 502, 503, 504})

Query = Mapping[str, str | int | float | bool | tuple[str, ...] | None]


class Transport:
    """One server, one key. Every method raises `nas.problem.RequestFailed` for a refusal, `Unreachable` for silence."""

    def __init__(self, connection: Connection) -> None:
        headers = {"Accept": "application/json", "User-Agent": "nas-client"}
        if connection.key:
            headers["Authorization"] = f"Bearer {connection.key}"
        self._url = connection.url.rstrip("/")
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> bytes:
        """Read something."""
        return self._repeat(lambda: self._http.get(path, params=_params(query)), safe=True).content

    def post(
        self, path: str, body: str | None = None, *, idempotency_key: str | None = None, repeatable: bool = False
    ) -> httpx.Response:
        """Change something, with a JSON body. `repeatable`: doing it twice is the same as once."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        safe = repeatable or idempotency_key is not None
        return self._repeat(lambda: self._http.post(path, content=body, headers=headers), safe=safe)

    def delete(self, path: str) -> None:
        """Remove something; removing it twice is fine."""
        self._repeat(lambda: self._http.delete(path), safe=True)

    @contextmanager
    def download(self, path: str, query: Query | None = None) -> Iterator[Iterator[bytes]]:
        """The chunks of a large answer, which may first have to be made. Raises `Unreachable` when it breaks off."""
        try:
            with self._stream(path, {}, query, DOWNLOAD_SECONDS) as response:
                yield response.iter_bytes()
        except httpx.TransportError as error:
            raise self._silence(error) from None

    def events(self, path: str, after: int) -> Iterator[ServerSentEvent]:
        """Server-sent events after number `after`: a stream that breaks is taken up where it broke.

        Ends when the server says that there will be no more (204).
        """
        last, failures = str(after), 0
        while True:
            try:
                with self._stream(path, {"Last-Event-ID": last, "Accept": "text/event-stream"}) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    for event in EventSource(response).iter_sse():
                        last, failures = event.id or last, 0
                        # a heartbeat is a comment, which the decoder reports as an event without data
                        if event.data:
                            yield event
            except (httpx.TransportError, Unreachable) as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise self._silence(error) from None
            time.sleep(_delay(failures + 1))

    @contextmanager
    def _stream(
        self, path: str, headers: Mapping[str, str], query: Query | None = None, seconds: float = STREAM_SECONDS
    ) -> Iterator[httpx.Response]:
        """`seconds`: so long may the answer, or a part of it, keep us waiting."""
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        request = self._http.build_request("GET", path, params=_params(query), headers=headers, timeout=timeout)
        response = self._repeat(lambda: self._http.send(request, stream=True), safe=True)
        try:
            yield response
        finally:
            response.close()

    def _repeat(self, send: Callable[[], httpx.Response], *, safe: bool) -> httpx.Response:
        """The first answer that is not a passing failure. Raises what `failure_of` gives, or `Unreachable`."""
        for attempt in range(1, ATTEMPTS):
            try:
                response = send()
            except httpx.TransportError as error:
                # a request that never left can always be repeated, but where nobody listens waiting is of little use
                never_left = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if not (safe or never_left) or (never_left and attempt == CONNECT_ATTEMPTS):
                    raise self._silence(error) from None
                time.sleep(_delay(attempt))
                continue
            if not safe or response.status_code not in RETRIED_STATUS:
                return _accepted(response)
            response.close()
            time.sleep(max(_asked_delay(response), _delay(attempt)))
        try:
            return _accepted(send())
        except httpx.TransportError as error:
            raise self._silence(error) from None

    def _silence(self, error: Exception) -> Unreachable:
        return Unreachable(f"no answer from {self._url} ({error or type(error).__name__}); is nas up running there?")


def _params(query: Query | None) -> dict[str, Any]:
    """Unset values are left out; tuples repeat their name."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in (query or {}).items() if value is not None
    }


def _accepted(response: httpx.Response) -> httpx.Response:
    """The response, unless it is a refusal."""
    if response.is_success:
        return response
    try:
        raise failure_of(_problem(response))
    finally:
        response.close()


def _problem(response: httpx.Response) -> Problem:
    response.read()
    try:
        data = response.json()
    except ValueError:
        data = None
    return Problem.from_data(response.status_code, data if isinstance(data, dict) else {"detail": response.text[:500]})


def _delay(attempt: int) -> float:
    """Full jitter: clients that failed together do not come back together."""
    return random.uniform(0.05, min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**attempt))


def _asked_delay(response: httpx.Response) -> float:
    """What the server asked for with Retry-After, within reason."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), 30.0) if asked.isdigit() else 0.0
