"""The one error table: what the domain raises becomes a problem document (RFC 9457) with a status and a stable code."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from nas.errors import Conflict, Denied, FieldProblem, Invalid, NasError, NotFound, StoreUnavailable, json_pointer
from nas.export.folder import NotAvailable
from nas.export.form import Refusal as Reason
from nas.validation import reason

PROBLEM_JSON = "application/problem+json"


class Forbidden(NasError):
    """The key is good but lacks the scope, or the page that asks is not ours."""


class TooMany(NasError):
    """As much of this as one key may have at once is open already."""


class Busy(NasError):
    """As much of this as the service does at once is being done already."""


class Unable(NasError):
    """What this service was installed without."""


class NoSpace(NasError):
    """What was asked for has to be written first, and cannot be."""


class TooLarge(NasError):
    """The body is larger than any valid request."""


class WrongMediaType(NasError):
    """The body is not of the type this operation reads."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one sort of refusal looks on the wire."""

    status: HTTPStatus
    code: str
    title: str
    headers: tuple[tuple[str, str], ...] = ()


KINDS: dict[type[Exception], Kind] = {
    Invalid: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "The request is not valid"),
    NotFound: Kind(HTTPStatus.NOT_FOUND, "not_found", "There is no such thing"),
    Conflict: Kind(HTTPStatus.CONFLICT, "conflict", "Its state does not allow this"),
    NotAvailable: Kind(HTTPStatus.CONFLICT, "not_available", "It cannot be had in this form"),
    Denied: Kind(HTTPStatus.UNAUTHORIZED, "unauthorized", "A valid API key is needed", (("WWW-Authenticate", "Bearer"),)),
    Forbidden: Kind(HTTPStatus.FORBIDDEN, "forbidden", "This key may not do that"),
    # the rest of a body that is too large is not read: the connection cannot be used again
    TooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", "The body is too large", (("Connection", "close"),)),
    WrongMediaType: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body has the wrong type"),
    TooMany: Kind(HTTPStatus.TOO_MANY_REQUESTS, "too_many", "Too many at once", (("Retry-After", "15"),)),
    Busy: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The service is busy with others of these", (("Retry-After", "2"),)),
    Unable: Kind(HTTPStatus.NOT_IMPLEMENTED, "unable", "This service cannot make it"),
    NoSpace: Kind(HTTPStatus.INSUFFICIENT_STORAGE, "no_space", "The service cannot write this"),
    StoreUnavailable: Kind(
        HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", "The database cannot be reached", (("Retry-After", "1"),)
    ),
}

FAULT = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "The service failed; this is a defect, not your request")


def problem(
    kind: Kind,
    detail: str,
    request_id: str,
    fields: tuple[FieldProblem, ...] = (),
    reasons: tuple[Reason, ...] = (),
) -> Response:
    """The response for one refusal. `reasons`, where there are any, become a member of their own."""
    body = {
        "type": f"urn:nas:problem:{kind.code}",
        "title": kind.title,
        "status": kind.status.value,
        "detail": detail,
        "code": kind.code,
        "errors": [{"pointer": field.pointer, "reason": field.reason} for field in fields],
        "request_id": request_id,
    }
    if reasons:
        body["reasons"] = [{"target": one.target, "field": one.field, "reason": one.reason} for one in reasons]
    return Response(orjson.dumps(body), kind.status, dict(kind.headers), media_type=PROBLEM_JSON)


Page = Callable[[Request, Kind, str], Response]
"""Shows a refusal to a person instead."""


def install(app: FastAPI, page: Page) -> None:
    """Translate every exception that can leave a handler. What is not in the table is a defect: 500, logged by the edge."""

    def answer(request: Request, error: Exception) -> Response:
        refusal = refusal_of(request, error)
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/"):
            return page(request, refusal.kind, refusal.detail)
        return problem(refusal.kind, refusal.detail, request.state.request_id, refusal.fields, refusal.reasons)

    for sort in (NasError, RequestValidationError, HTTPException):
        app.add_exception_handler(sort, answer)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal, before it is written down."""

    kind: Kind
    detail: str
    fields: tuple[FieldProblem, ...] = ()
    reasons: tuple[Reason, ...] = ()


def refusal_of(request: Request, error: Exception) -> Refusal:
    """What an exception tells the client; raises it again when it is none of the client's business."""
    match error:
        case HTTPException():
            return _framework_refusal(request, error)
        case RequestValidationError():
            return _parameter_refusal(error)
        case Invalid():
            return Refusal(KINDS[Invalid], str(error), error.problems)
        case NotAvailable():
            return Refusal(KINDS[NotAvailable], str(error), reasons=error.reasons)
        case _ if (kind := next((KINDS[base] for base in type(error).__mro__ if base in KINDS), None)) is not None:
            return Refusal(kind, str(error))
        case _:
            raise error


def _parameter_refusal(error: RequestValidationError) -> Refusal:
    """A query, path or header parameter. Its pointer is the place, then the name: `/query/limit`."""
    fields = tuple(FieldProblem(json_pointer(*item["loc"]), reason(item)) for item in error.errors()[:20])
    return Refusal(KINDS[Invalid], "a parameter of the request is not valid", fields)


def _framework_refusal(request: Request, error: HTTPException) -> Refusal:
    """An unknown path, or a method that the path does not have."""
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return Refusal(Kind(status, code, status.phrase, tuple((error.headers or {}).items())), _advice(status, request))


def _advice(status: HTTPStatus, request: Request) -> str:
    match status:
        case HTTPStatus.NOT_FOUND:
            return "no such path; /openapi.json lists them all"
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{request.method} is not possible here; the Allow header says what is"
        case _:
            return status.description


def schema() -> dict[str, Any]:
    """The JSON schema of a problem document, for the API's description."""
    text, field = {"type": "string"}, {"type": "string"}
    entry = {"type": "object", "required": ["pointer", "reason"], "properties": {"pointer": field, "reason": text}}
    named = dict.fromkeys(("target", "field", "reason"), text)
    cause = {"type": "object", "required": [*named], "properties": named}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
        "properties": {
            **dict.fromkeys(("type", "title", "detail", "code", "request_id"), text),
            "status": {"type": "integer"},
            "errors": {"type": "array", "items": entry},
            "reasons": {"type": "array", "items": cause, "description": "Why a form of export is not to be had"},
        },
    }
