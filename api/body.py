"""Reading bodies: not one byte more than a valid request has, of the right type, as strict JSON."""

from typing import Annotated, Any, Final

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from api import json_guard
from api.errors import TooLarge, WrongMediaType

MAX_BYTES: Final = 1_000_000


async def read(request: Request, media_type: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The body. Raises `WrongMediaType`, or `TooLarge` as soon as that is known, whether announced or sent in chunks."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != media_type:
        raise WrongMediaType(f"send the body as {media_type}, with the Content-Type header saying so")
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"at most {max_bytes:,} bytes")


async def _read_json(request: Request) -> Any:
    """In a thread: a hostile megabyte takes longer to refuse than other requests should wait."""
    return await run_in_threadpool(json_guard.parse, await read(request, "application/json"))


JsonBody = Annotated[Any, Depends(_read_json)]
"""The decoded body; what it should be is for the handler's one call to say.

Parameters are resolved in the handler's order: the body stands after the principal, so that strangers' bodies stay unread.
"""
