"""The outermost layer: who may call at all, what every answer carries, what is counted, and what a defect looks like.

It is plain ASGI, outside the framework, so that errors, streams and static files pass it too.
"""

import logging
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import metrics
from api.errors import FAULT, Kind, problem

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")

SECURITY_HEADERS: Final = {
    # plotly styles its plots with style attributes; scripts come from files of ours only
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none';"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # not "no-referrer": with that, browsers send "Origin: null" with the pages' own forms
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

MISDIRECTED: Final = Kind(HTTPStatus.BAD_REQUEST, "unknown_host", "This host name is not served here")

logger = logging.getLogger("nas.api")


class Edge:
    """Wraps the application. `hosts` are the names, beside loopback, that a Host header may hold (DNS rebinding)."""

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], requests: metrics.Requests) -> None:
        self.app = app
        self.hosts = frozenset((*LOOPBACK_NAMES, *(host.lower() for host in hosts)))
        self.requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        try:
            await self._serve(scope, receive, answer)
        finally:
            self.requests.observe(scope, answer.status, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        if not self._host_is_ours(scope):
            detail = "ask for this service by its address, or add the name to NAS_ALLOWED_HOSTS"
            await problem(MISDIRECTED, detail, answer.request_id)(scope, receive, answer)
            return
        try:
            await self.app(scope, receive, answer)
        except ClientDisconnect:
            # it left before its body was whole: nobody is there to be told
            return
        except Exception:
            logger.exception("request %s failed: %s %s", answer.request_id, scope["method"], scope["path"])
            if answer.status is None:
                detail = f"report it with the request id {answer.request_id}; the service's log has the cause"
                await problem(FAULT, detail, answer.request_id)(scope, receive, answer)
            else:
                # the head is sent: cutting the connection is the only way to say that the body is not whole
                raise

    def _host_is_ours(self, scope: Scope) -> bool:
        host = Headers(scope=scope).get("host", "")
        name, separator, port = host.rpartition(":")
        return (name if separator and port.isdigit() else host).lower() in self.hosts


class _Answer:
    """The way back to the client: adds the headers that every response carries and remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.send = send
        self.request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.request_id
            headers.setdefault("Cache-Control", "no-store")
            headers.update(SECURITY_HEADERS)
        await self.send(message)
