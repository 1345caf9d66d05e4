"""A table from a file: one that says its own space and protocol, or rows, which take those of a study."""

from pathlib import Path

from nas.errors import Invalid
from nas.simulation import bench_macro
from nas.simulation.document import TableDocument
from nas.simulation.fit import misfit
from nas.simulation.loading import table_of_rows
from nas.simulation.rows import read_json, read_rows
from nas.simulation.table import Table
from nas.study import StudySpec
from nas.validation import validate


def read_table(file: Path, spec: StudySpec) -> Table:
    """A .json with an object is our own document, or NAS-Bench-Macro's; rows are of the study's space, by its protocol.

    Raises `Invalid` with the place of what is wrong.
    """
    if file.suffix.lower() == ".json":
        found = read_json(file)
        if bench_macro.is_published(found):
            return _bench_macro(bench_macro.table(found), spec)
        if isinstance(found, dict):
            return validate(TableDocument, found).table()
    return table_of_rows(read_rows(file), spec.space, spec.protocol)


def _bench_macro(table: Table, spec: StudySpec) -> Table:
    """The file says nothing of its space and protocol, so that a study that does not fit is told them."""
    problem = misfit(spec, table)
    if problem is not None:
        space, protocol = table.space.canonical_json(), table.protocol.canonical_json()
        raise Invalid(f'{problem}. NAS-Bench-Macro is searched with "space": {space}, "protocol": {protocol}')
    return table
