"""Where words go: data to stdout, talk to stderr. Text from elsewhere cannot steer the terminal."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from textwrap import fill
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNBOUNDED = 10_000
"""Columns of an output that is cut nowhere."""
INDENT = " " * 6

stdout = Console(highlight=False, soft_wrap=True)
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def plain(value: object) -> str:
    """One line of text without control characters: escape sequences in a study's name stay harmless."""
    return "".join(char if unicodedata.category(char)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout, sent at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def to_data(view: Any) -> Any:
    """A view as plain JSON types, the same as the API sends."""
    return TypeAdapter(type(view)).dump_python(view, mode="json")


def say(message: str) -> None:
    """Talk to the person: stderr, no markup."""
    stderr.print(Text("\n".join(plain(line) for line in message.split("\n"))))


def print_table(columns: Mapping[str, str], rows: Iterable[Iterable[object]], title: str | None = None) -> None:
    """A table on stdout; `columns` maps each heading to `left` or `right`."""
    Console(highlight=False, width=None if sys.stdout.isatty() else UNBOUNDED).print(_table(columns, rows, title))


def print_rows_with_lines(columns: Mapping[str, str], rows: Iterable[Iterable[object]], lines: Iterable[str]) -> None:
    """A table on stdout that is never narrowed, with a long line below each row, wrapped to the terminal."""
    console = Console(highlight=False, width=UNBOUNDED)
    with console.capture() as captured:
        console.print(_table(columns, rows))
    heading, *numbers = captured.get().splitlines()
    width = shutil.get_terminal_size().columns
    sys.stdout.write(f"{heading.rstrip()}\n")
    for row, line in zip(numbers, lines, strict=True):
        sys.stdout.write(f"{row.rstrip()}\n{fill(plain(line), width, initial_indent=INDENT, subsequent_indent=INDENT)}\n")


def _table(columns: Mapping[str, str], rows: Iterable[Iterable[object]], title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for heading, side in columns.items():
        table.add_column(heading, justify="right" if side == "right" else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    return table


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values below each other on stdout."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        stdout.print(Text(f"{name:<{width}}  {plain(value)}"))


def score_text(score: float | None) -> str:
    """A score to four places."""
    return "-" if score is None else f"{score:.4f}"
