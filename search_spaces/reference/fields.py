"""A document's fields in words: what each may be, what it is when left out, and its docstring, all from the JSON schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.document import Document
from search_spaces.primitives import CATALOGUE

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldText:
    """One field: its name, allowed values, default (empty when it must be given) and meaning, as plain text."""

    name: str
    allowed: str
    default: str
    meaning: str


def fields_of(kind: type[Document]) -> tuple[FieldText, ...]:
    """Every field but the constant `kind`, in the order of the class."""
    return tuple(_fields(kind.model_json_schema()))


def _fields(schema: Schema) -> Iterator[FieldText]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        if name == "kind":
            continue
        default = "" if name in required else _default(field["default"])
        yield FieldText(
            name=name, allowed=_allowed(field), default=default, meaning=" ".join(field.get("description", "").split())
        )


def _default(value: object) -> str:
    """As a document writes it, without quotes; of a document its kind."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case dict():
            return str(value.get("kind", "its defaults"))
        case list():
            return "empty" if not value else ", ".join(map(str, value))
        case float():
            return f"{value:g}"
    return str(value)


def _allowed(field: Schema) -> str:
    """The values a field may have: `integer 1..256`, `one of none, add, concat`."""
    if "anyOf" in field:
        return ", or ".join(_allowed(choice) for choice in field["anyOf"])
    if "enum" in field:
        return f"one of {', '.join(map(str, field['enum']))}"
    if "oneOf" in field or "$ref" in field:
        return _document(field)
    match field["type"]:
        case "integer" | "number":
            return f"{field['type']} {_bounds(field)}".strip()
        case "boolean":
            return "true or false"
        case "array":
            return _list(field)
        case "null":
            return "none"
    return str(field["type"])


def _bounds(field: Schema) -> str:
    """Both ends where both are included; otherwise in words."""
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f"{_number(low)}..{_number(high)}"
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "up to", "exclusiveMaximum": "below"}
    return ", ".join(f"{word} {_number(field[key])}" for key, word in words.items() if key in field)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _list(field: Schema) -> str:
    low, high = field.get("minItems", 0), field.get("maxItems")
    count = "" if high is None else f" of {_bounds({'minimum': low, 'maximum': high})}"
    return f"list{count}: {_allowed(field['items'])}"


def _document(field: Schema) -> str:
    """Names of documents; of primitives their role."""
    references = [choice["$ref"] for choice in field["oneOf"]] if "oneOf" in field else [field["$ref"]]
    names = [reference.rpartition("/")[2] for reference in references]
    return " or ".join(dict.fromkeys(_ROLES.get(name, name) for name in names))


_ROLES = {part.__name__: {"mixer": "mixer", "channel": "channel part"}[part.role] for part in CATALOGUE.values()}
