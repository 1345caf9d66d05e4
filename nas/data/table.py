"""Tables of numbers from CSV and NPY files: every value finite, or the place of the first that is not.

CSV: separated by comma, semicolon or tab, with or without a line of names. NPY: one array [time, channels], never pickled.
"""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import numpy.typing as npt

from nas.data.location import SourceFile
from nas.errors import Invalid

MAX_COLUMNS = 4096
MAX_LINE = 2**20
SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class Table:
    """Finite values [row, column] with the columns' names. `first_line`: the line of row 0 in a text file."""

    values: npt.NDArray[np.float64]
    columns: tuple[str, ...]
    first_line: int | None = None

    def place(self, row: int, column: int) -> str:
        """Where a value is, in a person's words."""
        where = f"row {row + 1}" if self.first_line is None else f"line {row + self.first_line}"
        return f"{where}, column {self.columns[column]!r}"


def read_npy(file: SourceFile, columns: tuple[str, ...] | None) -> Table:
    """The array of an NPY file. Raises `Invalid` when it is not a whole one of finite real numbers, [time, channels]."""
    try:
        found = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Invalid(f"{file.name!r} is no array that can be read without unpickling; save floats with numpy.save") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "fiu":
        shape, kind = getattr(found, "shape", ()), getattr(found, "dtype", "an archive")
        raise Invalid(f"{file.name!r} holds {kind} of shape {shape}; save one array of floats, (time, channels)")
    names = _numbered(found.shape[1])
    _check_names(file, names)
    chosen = list(range(len(names))) if columns is None else _chosen(file, names, columns)
    return _finite(file, Table(np.asarray(found[:, chosen], np.float64), tuple(names[index] for index in chosen)))


def read_csv(file: SourceFile, columns: tuple[str, ...] | None) -> Table:
    """The chosen columns of a CSV file, by default all that hold numbers. Raises `Invalid` with line and column."""
    try:
        with file.path.open(encoding="utf-8-sig", newline="") as text:
            return _parsed(file, text, columns)
    except UnicodeDecodeError as error:
        raise Invalid(f"{file.name!r} is not UTF-8 text; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise Invalid(f"{file.name!r} is not CSV: {error}") from error


def _parsed(file: SourceFile, text: TextIO, columns: tuple[str, ...] | None) -> Table:
    rows = csv.reader(text, delimiter=_separator(text), skipinitialspace=True, strict=True)
    first = next(rows, [])
    has_header = not any(_is_number(cell) for cell in first) and any(cell.strip() for cell in first)
    names = _header(first) if has_header else _numbered(len(first))
    _check_names(file, names)
    head = next(rows, []) if has_header else first
    first_line = rows.line_num
    if not head:
        raise Invalid(f"{file.name!r} has no line of values below its names; give more rows")
    if len(head) != len(names):
        raise Invalid(f"{file.name!r}: line {first_line} has {len(head)} cells, the first line has {len(names)}")
    chosen = _numeric(file, head) if columns is None else _chosen(file, names, columns)
    reading = _Reading(file, names, chosen, others_hold_text=columns is None)
    reading.take(head, first_line)
    for row in rows:
        reading.take(row, rows.line_num)
    values = np.frombuffer(reading.values, np.float64).reshape(-1, len(chosen))
    return _finite(file, Table(values, tuple(names[index] for index in chosen), first_line))


class _Reading:
    """Collects the cells of the chosen columns, row by row."""

    def __init__(self, file: SourceFile, names: Sequence[str], chosen: Sequence[int], *, others_hold_text: bool) -> None:
        self.values = array("d")
        self._file, self._names, self._chosen = file, names, chosen
        self._texts = [index for index in range(len(names)) if index not in chosen] if others_hold_text else []
        self._blank_line: int | None = None

    def take(self, row: list[str], line: int) -> None:
        """Raises `Invalid` when the row is not as long as the others, or a cell holds no number. Blank lines may end a file."""
        if not row:
            self._blank_line = self._blank_line or line
            return
        if self._blank_line is not None:
            raise Invalid(f"{self._file.name!r}: line {self._blank_line} is empty; fill the hole or leave the line out")
        if len(row) != len(self._names):
            raise Invalid(f"{self._file.name!r}: line {line} has {len(row)} cells, the first line has {len(self._names)}")
        try:
            self.values.extend([float(row[index]) for index in self._chosen])
        except ValueError as error:
            raise self._no_number(row, line) from error
        for index in self._texts:
            if _is_number(row[index]):
                raise self._mixed(row[index], index, line)

    def _no_number(self, row: list[str], line: int) -> Invalid:
        index = next(index for index in self._chosen if not _is_number(row[index]))
        where = f"{self._file.name!r}: line {line}, column {self._names[index]!r}"
        if not row[index].strip():
            return Invalid(f"{where} is empty; fill the hole or leave the line out")
        return Invalid(f"{where} holds {row[index]!r:.60}, which is no number; correct it, or name the columns to read")

    def _mixed(self, cell: str, index: int, line: int) -> Invalid:
        where = f"{self._file.name!r}: column {self._names[index]!r} holds text in its first line"
        return Invalid(f"{where} and the number {cell:.60} in line {line}; correct it, or name the columns to read")


def _finite(file: SourceFile, table: Table) -> Table:
    holes = np.argwhere(~np.isfinite(table.values))
    if len(holes):
        raise Invalid(f"{file.name!r} has no finite number in {table.place(*holes[0])}; fill the hole or leave the row out")
    return table


def _separator(text: TextIO) -> str:
    """The separator that the first line has most of; the text is then at its start again."""
    line = text.readline(MAX_LINE)
    text.seek(0)
    return max(SEPARATORS, key=line.count)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _header(cells: Sequence[str]) -> list[str]:
    """Names as written; a column without one has its number, as where there is no header."""
    return [cell.strip() or str(index + 1) for index, cell in enumerate(cells)]


def _numbered(n_columns: int) -> list[str]:
    return [str(index + 1) for index in range(n_columns)]


def _check_names(file: SourceFile, names: Sequence[str]) -> None:
    if not 0 < len(names) <= MAX_COLUMNS:
        raise Invalid(f"{file.name!r} has {len(names)} columns; it needs between 1 and {MAX_COLUMNS}")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise Invalid(f"{file.name!r} has two columns called {twice!r}; rename one")


def _chosen(file: SourceFile, names: Sequence[str], columns: tuple[str, ...]) -> list[int]:
    unknown = [column for column in columns if column not in names]
    if unknown or not columns or len(set(columns)) < len(columns):
        wrong = f"no column {unknown[0]!r}" if unknown else "nothing to read: name each column once"
        raise Invalid(f"{file.name!r} has {wrong}; there are {', '.join(names[:20])}"[:1000])
    return [names.index(column) for column in columns]


def _numeric(file: SourceFile, head: Sequence[str]) -> list[int]:
    """Columns whose first cell holds a number, or nothing, which is a hole; the others are dates and other text."""
    numeric = [index for index, cell in enumerate(head) if _is_number(cell) or not cell.strip()]
    if not numeric:
        raise Invalid(f"{file.name!r} has no column of numbers; its first line of values is {','.join(head)!r:.200}")
    return numeric
