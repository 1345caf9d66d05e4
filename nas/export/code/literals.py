"""An architecture's value: the Python expression that makes it, and the same as JSON data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nas.export.code.documents import stated
from search_spaces.document import Document

WIDTH = 120


@dataclass(frozen=True)
class Record:
    """A document with the fields that the code asks for and that are not the default."""

    name: str
    fields: Mapping[str, Any]


def records(value: Any, asked: Mapping[str, Iterable[str]]) -> Any:
    """A value with records for its documents; `asked` has the fields of each class."""
    if isinstance(value, tuple):
        return tuple(records(one, asked) for one in value)
    if not isinstance(value, Document):
        return value
    name = type(value).__name__
    fields = {field: records(one, asked) for field, one in stated(value).items() if field in asked.get(name, ())}
    return Record(name, fields)


def literal(value: Any, indent: int = 0, before: int = 0) -> str:
    """The expression, broken where a line would be longer than `WIDTH`; `before` characters stand on its first line."""
    flat = _flat(value)
    if indent + before + len(flat) <= WIDTH or not isinstance(value, Record | tuple):
        return flat
    inner = indent + 4
    if isinstance(value, Record):
        parts = [f"{name}={literal(one, inner, len(name) + 1)}" for name, one in value.fields.items()]
        return _broken(f"{value.name}(", parts, ")", indent)
    unit, n_times = period(value)
    if n_times > 1:
        head = f"{n_times} * "
        return head + literal(unit, indent, before + len(head))
    return _broken("(", [literal(one, inner) for one in value], ")", indent)


def _flat(value: Any) -> str:
    if isinstance(value, Record):
        return f"{value.name}({', '.join(f'{name}={_flat(one)}' for name, one in value.fields.items())})"
    if isinstance(value, tuple):
        unit, n_times = period(value)
        if n_times > 1 and isinstance(unit[0], Record):
            return f"{n_times} * {_flat(unit)}"
        return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, str):
        return '"' + value + '"'
    return repr(value)


def _broken(head: str, parts: list[str], tail: str, indent: int) -> str:
    inner = " " * (indent + 4)
    return head + "\n" + "".join(f"{inner}{part},\n" for part in parts) + " " * indent + tail


def period(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], int]:
    """The shortest tuple of which these values are a whole number of copies, and how many."""
    for size in range(1, len(values) + 1):
        if len(values) % size == 0 and all(value == values[place % size] for place, value in enumerate(values)):
            return values[:size], len(values) // size
    return values, 1


def data(value: Any) -> Any:
    """Plain JSON types; objects say their dataclass under "class"."""
    if isinstance(value, Record):
        return {"class": value.name, **{name: data(one) for name, one in value.fields.items()}}
    return [data(one) for one in value] if isinstance(value, tuple) else value
