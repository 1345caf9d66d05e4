"""Source text cut at the positions of its syntax tree, and put together again."""

import ast
from collections.abc import Iterable
from functools import lru_cache

from nas.export.code.sources import Definition

SIMPLE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant, ast.List, ast.ListComp, ast.Dict)
"""Expressions that need no brackets."""


class Text:
    """The source of a definition, cut at the positions of its nodes."""

    def __init__(self, definition: Definition) -> None:
        self.text = definition.text
        self._starts = [0]
        for line in definition.text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._plain = definition.text.isascii()

    def place(self, line: int, column: int) -> int:
        """The character at a position of the syntax tree, which counts bytes."""
        start = self._starts[line - 1]
        if self._plain:
            return start + column
        return start + len(self.text[start : self._starts[line]].encode()[:column].decode())

    def start(self, node: ast.AST) -> int:
        """Where a node begins."""
        return self.place(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Behind a node."""
        return self.place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def line_start(self, line: int) -> int:
        """Where a line, counted from 1, begins."""
        return self._starts[line - 1]


@lru_cache(maxsize=4096)
def is_simple(written: str) -> bool:
    """Whether an expression needs no brackets wherever it stands."""
    parsed = _parsed(written)
    if isinstance(parsed, ast.Tuple) and written.startswith("("):
        # the first bracket closes behind the last element, or what is between the first and the last is no expression
        return _parsed(written[1:-1]) is not None
    return isinstance(parsed, SIMPLE)


def _parsed(written: str) -> ast.expr | None:
    try:
        return ast.parse(written, mode="eval").body
    except SyntaxError:
        return None


def replaced(text: str, start: int, end: int, pieces: Iterable[tuple[int, int, str]]) -> str:
    """The text from start to end with other words at some places."""
    parts: list[str] = []
    at = start
    for first, last, new in sorted(pieces):
        parts.extend((text[at:first], new))
        at = last
    return "".join(parts) + text[at:end]


def shifted(text: str, columns: int, first: bool = True) -> str:
    """Lines moved right, or left; without `first` all but the first."""
    if columns == 0:
        return text
    lines = text.splitlines(keepends=True)
    moved = [_moved(line, columns) if first or place else line for place, line in enumerate(lines)]
    return "".join(moved)


def _moved(line: str, columns: int) -> str:
    if not line.strip():
        return line
    return " " * columns + line if columns > 0 else line[min(-columns, len(line) - len(line.lstrip(" "))) :]


def first_line(statement: ast.stmt) -> int:
    """Where a statement begins, its decorators counted."""
    decorators = statement.decorator_list if isinstance(statement, ast.ClassDef | ast.FunctionDef) else []
    return min([statement.lineno, *(one.lineno for one in decorators)])
