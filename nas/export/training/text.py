"""Configs as text: YAML and TOML of plain values, with comments for people above them."""

import json
from collections.abc import Iterator, Mapping, Sequence

Value = str | bool | int | float | None | Sequence["Value"] | Mapping[str, "Value"]
Table = Mapping[str, Value]


def yaml(comment: Sequence[str], table: Table) -> str:
    """A YAML document that a reader of version 1.1 and one of 1.2 understand alike."""
    return "\n".join([*_comment(comment), *_yaml_lines(table, "")]) + "\n"


def _yaml_lines(table: Table, indent: str) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{key}:"
            yield from _yaml_lines(value, indent + "  ")
        else:
            yield f"{indent}{key}: {scalar(value)}"


def toml(comment: Sequence[str], tables: Mapping[str, Table]) -> str:
    """A TOML document of one level of tables; values of None are left out, as TOML has none."""
    sections = (_toml_section(name, table) for name, table in tables.items())
    return "\n".join([*_comment(comment), *(line for section in sections for line in section)]) + "\n"


def _toml_section(name: str, table: Table) -> Iterator[str]:
    yield ""
    yield f"[{name}]"
    yield from (f"{key} = {scalar(value)}" for key, value in table.items() if value is not None)


def scalar(value: Value) -> str:
    """A value on one line, as JSON has it, with a point in every float: YAML 1.1 reads `1e-05` as a word."""
    text = json.dumps(value)
    return text.replace("e", ".0e", 1) if isinstance(value, float) and "." not in text else text


def _comment(lines: Sequence[str]) -> list[str]:
    return [f"# {line}" if line else "#" for line in lines]
