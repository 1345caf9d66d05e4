"""The API's description: what the framework derives, plus the bodies that handlers read themselves."""

from typing import Any, Final

from fastapi import FastAPI
from pydantic import TypeAdapter

from api import errors
from api.schemas import KeyRequest
from nas.store.views import EventView
from nas.submission import request_schema

_REF: Final = "#/components/schemas/Request.{model}"

_CONTENT: Final = {errors.PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "Refused, with what to change", "content": _CONTENT},
    "5XX": {"description": "The service or its database failed; the same request may succeed later", "content": _CONTENT},
}
"""Every operation may answer so."""


def body(name: str) -> dict[str, Any]:
    """`openapi_extra` of an operation with a JSON body."""
    schema = {"$ref": _REF.format(model=name)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def event_schema() -> dict[str, Any]:
    """One server-sent event, as OpenAPI 3.2 describes items of a stream; its data is an `EventView`."""
    text = {"type": "string"}
    data = {**text, "contentMediaType": "application/json", "contentSchema": {"$ref": "#/components/schemas/EventView"}}
    return {"type": "object", "required": ["id", "event", "data"], "properties": {"id": text, "event": text, "data": data}}


def install(app: FastAPI) -> None:
    """Add the schemas that `body` and `PROBLEMS` refer to."""
    derive = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = derive()["components"]["schemas"]
            schemas.update({"Problem": errors.schema(), "EventView": TypeAdapter(EventView).json_schema(), **_bodies()})
        return derive()

    app.openapi = described  # type: ignore[method-assign]  # the framework's documented way to extend its description


def _bodies() -> dict[str, Any]:
    found = {}
    for name, schema in (
        ("StudyRequest", request_schema(_REF)),
        ("KeyRequest", KeyRequest.model_json_schema(ref_template=_REF)),
    ):
        found.update({f"Request.{inner}": value for inner, value in schema.pop("$defs", {}).items()})
        found[f"Request.{name}"] = schema
    return found
