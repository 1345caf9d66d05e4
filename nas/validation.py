"""Says in a person's words what pydantic found wrong: a JSON pointer, a reason, and what would be allowed.

Pydantic's own messages name Python types, quote inputs of any size and put the tags of unions into its paths.
"""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nas.errors import FieldProblem, Invalid, json_pointer
from search_spaces.document import Document

MAX_PROBLEMS = 20
MAX_SHOWN = 60

_NOT_MADE: Final = "default_factory_not_called"
"""Pydantic's word for a default that depends on other fields, one of which is wrong."""

_THEIRS = re.compile("(Input|String|Tuple|List|Dictionary) should")

JsonSchema = Mapping[str, Any]
Model = TypeVar("Model", bound=Document)


def validate(model: type[Model], document: Any) -> Model:
    """The decoded JSON `document` as a `model`. Raises `Invalid` with a problem for each field that is wrong."""
    try:
        return model.from_data(document)
    except ValidationError as error:
        fields = problems_of(error, document, model)
        raise Invalid("; ".join(f"{field.pointer or '/'}: {field.reason}" for field in fields[:3]), fields) from error


def problems_of(error: ValidationError, document: Any, model: type[BaseModel]) -> tuple[FieldProblem, ...]:
    """The first problems that `error` reports about the JSON `document`, which should have been a `model`."""
    found = _own(error.errors(include_url=False, include_context=True, include_input=True))[:MAX_PROBLEMS]
    schema = model.model_json_schema()
    return tuple(FieldProblem(_pointer(detail, document), reason(detail, schema)) for detail in found)


def _own(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without what only follows from the rest: arrays too short because what they hold is wrong, defaults that are not made."""
    places = [detail["loc"] for detail in found]

    def follows(detail: ErrorDetails) -> bool:
        place = detail["loc"]
        return detail["type"] == "too_short" and any(it[: len(place)] == place and len(it) > len(place) for it in places)

    own = [detail for detail in found if detail["type"] != _NOT_MADE and not follows(detail)]
    return own or found


def _pointer(detail: ErrorDetails, document: Any) -> str:
    """Where in the document: steps that are not in it are union tags, except a last one that names a missing field."""
    steps: list[str | int] = []
    here = document
    for step in detail["loc"]:
        if _has(here, step):
            here = here[step]
            steps.append(step)
    if detail["type"] == "missing":
        steps.append(detail["loc"][-1])
    return json_pointer(*steps)


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(step, int) and 0 <= step < len(value)
    return isinstance(value, dict) and step in value


def reason(detail: ErrorDetails, schema: JsonSchema = MappingProxyType({})) -> str:
    """One error in words. The schema is asked for the fields that a place has."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            return _unknown_field(str(detail["loc"][-1]), sorted(_fields(schema, detail["loc"][:-1])))
        case "union_tag_not_found":
            return f"needs {context['discriminator']!s}, which says what it is"
        case "union_tag_invalid":
            return f"{context['tag']!r:.{MAX_SHOWN}} is not one of {context['expected_tags']}"
        case "value_error" | "assertion_error":
            return str(context.get("error", detail["msg"]))[:1000]
        case _:
            ours = _THEIRS.match(detail["msg"]) is None
            return detail["msg"][:1000] if ours else _reworded(detail["msg"]) + _shown(detail["input"])


def _unknown_field(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    allowed = f"; there are {', '.join(known)}" if known else ""
    return f"there is no field {name[:MAX_SHOWN]!r}{guess or allowed}"


def _reworded(message: str) -> str:
    """Pydantic says tuple and dictionary where JSON has arrays and objects."""
    message = _THEIRS.sub("should", message).replace(" after validation", "")
    for theirs, ours in (("valid tuple", "valid array"), ("valid list", "valid array"), ("a valid dictionary", "an object")):
        message = message.replace(theirs, ours)
    return message


def _shown(value: object) -> str:
    """What was sent instead, when it is short enough to say."""
    if value is None or isinstance(value, bool):
        return f", not {str(value).lower().replace('none', 'null')}"
    text = f'"{value}"' if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    return f", not {text}" if 0 < len(text) <= MAX_SHOWN else ""


def _fields(schema: JsonSchema, path: tuple[str | int, ...]) -> Iterator[str]:
    """Names of the fields that the schema knows at a pydantic path."""
    branches = [schema]
    for step in path:
        branches = [below for branch in branches for below in _below(branch, step, schema)]
    for branch in branches:
        for option in _options(branch, schema):
            yield from option.get("properties", {})


def _below(branch: JsonSchema, step: str | int, root: JsonSchema) -> Iterator[JsonSchema]:
    """What `step` leads to: an array's items, a field, or, for a union's tag, the option that bears it."""
    for option in _options(branch, root):
        if isinstance(step, int) and "items" in option:
            yield option["items"]
        elif step in option.get("properties", {}):
            yield option["properties"][step]
        elif any(field.get("const") == step for field in option.get("properties", {}).values()):
            yield option


def _options(branch: JsonSchema, root: JsonSchema) -> Iterator[JsonSchema]:
    """The object schemas that a schema may mean, with references and unions resolved."""
    if "$ref" in branch:
        yield from _options(root["$defs"][branch["$ref"].rpartition("/")[2]], root)
    elif "oneOf" in branch or "anyOf" in branch:
        for option in branch.get("oneOf") or branch["anyOf"]:
            yield from _options(option, root)
    else:
        yield branch
