"""The project's own table of hybrid models, for benchmarks that search it."""

import json
from functools import cache
from pathlib import Path

from nas.simulation.document import TableDocument
from nas.simulation.table import Table
from nas.validation import validate

TABLE = Path("docs/tables/hybrids/table.json")


@cache
def read(file: Path) -> TableDocument:
    """Raises `nas.errors.Invalid` where the file is no table."""
    return validate(TableDocument, json.loads(file.read_text()))


@cache
def table(file: Path) -> Table:
    """The same in arrays."""
    return read(file).table()
