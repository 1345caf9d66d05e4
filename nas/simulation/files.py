"""A table from a file: our own document, which says its space and protocol, or rows, which take those of a study."""

from pathlib import Path

from nas.simulation.document import TableDocument
from nas.simulation.loading import table_of_rows
from nas.simulation.rows import read_json, read_rows
from nas.simulation.table import Table
from nas.study import StudySpec
from nas.validation import validate


def read_table(file: Path, spec: StudySpec) -> Table:
    """A .json with an object is our own document; rows are members of the study's space, measured by its protocol.

    Raises `Invalid` with the place of what is wrong.
    """
    if file.suffix.lower() == ".json":
        found = read_json(file)
        if isinstance(found, dict):
            return validate(TableDocument, found).table()
    return table_of_rows(read_rows(file), spec.space, spec.protocol)
