"""Rows of results from CSV, JSON and Parquet files, as cells by column."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from nas.errors import Invalid

Row = Mapping[str, Any]


def read_rows(file: Path) -> Iterator[Row]:
    """The rows of a file by its ending: .csv with a line of names, .json or .jsonl with objects, .parquet. Raises `Invalid`."""
    readers = {".csv": _csv, ".json": _json, ".jsonl": _jsonl, ".parquet": _parquet}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise Invalid(f"{file} is none of {', '.join(readers)}, which tables of results are read from; convert it")
    try:
        yield from reader(file)
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not UTF-8 text; save it in UTF-8") from error


def _csv(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.DictReader(text, strict=True)
        try:
            _check_once(rows.fieldnames or (), file)
            for row in rows:
                if None in row or None in row.values():
                    n_names = len(rows.fieldnames or ())
                    raise Invalid(
                        f"{file}:{rows.line_num} does not have one cell for each of the {n_names} names; correct the line"
                    )
                yield row
        except csv.Error as error:
            raise Invalid(f"{file}:{rows.line_num} is not CSV: {error}") from error


def _check_once(names: Sequence[str], file: Path) -> None:
    """Else the last column of a name would silently stand for all."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Invalid(f"{file} has {Counter(names)[twice[0]]} columns {twice[0]!r:.80}; leave all but one out, or rename them")


def read_json(file: Path) -> Any:
    """The document in a JSON file. Raises `Invalid`."""
    try:
        return _decoded(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is not UTF-8 text; save it in UTF-8") from error


def _json(file: Path) -> Iterator[Row]:
    rows = read_json(file)
    if not isinstance(rows, list):
        raise Invalid(f"{file} holds no list of rows; give [{{gene: value, ..., 'rung': 0, 'seed': 0, 'score': 0.5}}, ...]")
    for number, row in enumerate(rows, 1):
        yield _object(row, f"row {number} of {file}")


def _jsonl(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            yield _object(_decoded(line, f"{file}:{number}"), f"{file}:{number}")


def _decoded(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{where} is not JSON: {error}") from error


def _distinct(cells: Sequence[tuple[str, Any]]) -> Row:
    """Else the last cell of a name would silently stand for all, as in a file with columns."""
    row = dict(cells)
    if len(row) < len(cells):
        [(twice, _)] = Counter(name for name, _ in cells).most_common(1)
        raise ValueError(f"an object has {twice!r:.80} more than once; leave one")
    return row


def _object(row: Any, where: str) -> Row:
    if not isinstance(row, dict):
        raise Invalid(f"{where} is no object of cells by column")
    return row


def _parquet(file: Path) -> Iterator[Row]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise Invalid(f"{file} needs pyarrow to be read; install nas[parquet], or convert it to CSV") from error
    try:
        table = parquet.ParquetFile(file)
        _check_once(table.schema_arrow.names, file)
        for batch in table.iter_batches():
            yield from batch.to_pylist()
    except arrow.ArrowException as error:
        raise Invalid(f"{file} is not Parquet: {error}"[:1000]) from error
