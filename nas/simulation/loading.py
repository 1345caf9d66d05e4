"""A table from rows: one for each member, rung and seed, with its gene values, its metrics and the seconds that it took.

Columns: the space's genes (empty where a gene is not active); `rung`, from 0; `seed`, any whole numbers; `score`; other metrics
by the names that objectives use; the same with `validation_` before the name where the search sees other data than the reader;
`seconds`, of the run at this rung when it goes on from the rung below.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nas.errors import Invalid
from nas.metrics import known
from nas.protocol import Protocol
from nas.simulation.genes import GeneColumns
from nas.simulation.table import Array, Table
from search_spaces.space import Space

Row = Mapping[str, Any]

PLACE: Final = ("rung", "seed")
SECONDS: Final = "seconds"
VALIDATION: Final = "validation_"
WHOLE_BELOW: Final = 2**53
"""From here on floats, as files write numbers, no longer tell one whole number from the next."""


def table_of_rows(rows: Iterable[Row], space: Space, protocol: Protocol) -> Table:
    """Raises `Invalid` for a row that is wrong, with its number, and for members that were not measured everywhere."""
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise Invalid("the table has no rows; give one for each architecture, rung and seed")
    reading = _Reading(tuple(first), space, protocol)
    for number, row in enumerate(chain([first], rows), 1):
        reading.take(row, number)
    return reading.table()


class _Reading:
    """Collects rows in plain arrays, and makes them a table once all are there."""

    def __init__(self, columns: Sequence[str], space: Space, protocol: Protocol) -> None:
        self._space, self._protocol = space, protocol
        self._columns, self._genes = columns, GeneColumns(space)
        self._gene_columns = [name for name in columns if name in self._genes]
        self._numbers = [name for name in columns if name not in self._genes and name not in PLACE]
        _check_columns(columns, self._genes, self._numbers, protocol)
        self._digests: dict[tuple[Any, ...], int] = {}
        self._members: dict[bytes, int] = {}
        self._places = array("q")
        """Of each row: member, rung, seed."""
        self._values = array("d")

    def take(self, row: Row, number: int) -> None:
        """Raises `Invalid` with the row's number."""
        if row.keys() != set(self._columns):
            odd = sorted(row.keys() ^ set(self._columns))
            raise Invalid(f"row {number} has other columns than the first row: {', '.join(odd)[:200]}; give all rows the same")
        try:
            self._places.extend((self._member(row), *self._place(row)))
            self._values.extend(_number(row[name], name) for name in self._numbers)
        except ValueError as error:
            raise Invalid(f"row {number}: {error}") from error

    def _member(self, row: Row) -> int:
        cells = tuple(row[name] for name in self._gene_columns)
        try:
            if cells in self._digests:
                return self._digests[cells]
        except TypeError:
            # an array or object in a cell has no hash, and is no gene's value: the next line says which it is
            pass
        params = self._genes.params(dict(zip(self._gene_columns, cells, strict=True)))
        # OutsideSpace is a ValueError that names the gene
        digest = bytes.fromhex(self._space.build(params).digest)
        return self._digests.setdefault(cells, self._members.setdefault(digest, len(self._members)))

    def _place(self, row: Row) -> tuple[int, int]:
        rung, seed = (_whole(row[name], name) for name in PLACE)
        n_rungs = len(self._protocol.rungs)
        if not 0 <= rung < n_rungs:
            raise ValueError(f"rung {rung} is none of the protocol's, which are 0 to {n_rungs - 1}")
        return rung, seed

    def table(self) -> Table:
        """Raises `Invalid` where a member, rung and seed is there twice or not at all."""
        member, rung, seed = np.frombuffer(self._places, dtype=np.int64).reshape(-1, 3).T
        seeds, seed = np.unique(seed, return_inverse=True)
        shape = (len(self._members), len(self._protocol.rungs), len(seeds))
        index = np.ravel_multi_index((member, rung, seed), shape)
        self._check_each_once(index, shape, seeds)
        values = np.empty((*shape, len(self._numbers)))
        values.reshape(-1, len(self._numbers))[index] = np.frombuffer(self._values).reshape(-1, len(self._numbers))
        return self._arranged(values)

    def _check_each_once(self, index: NDArray[np.int64], shape: tuple[int, int, int], seeds: NDArray[np.int64]) -> None:
        """In memory for the rows there are: a table with another seed in every row has far more places."""
        order = np.argsort(index, kind="stable")
        there = index[order]
        twice = np.flatnonzero(there[1:] == there[:-1])
        if len(twice):
            first, second = order[twice[0]], order[twice[0] + 1]
            place = _place_text(int(index[first]), shape, seeds)
            raise Invalid(f"rows {first + 1} and {second + 1} are of the same architecture at {place}; leave one out")
        n_holes = math.prod(shape) - len(there)
        if n_holes:
            passed = np.flatnonzero(there != np.arange(len(there)))
            hole = int(passed[0]) if len(passed) else len(there)
            per_member = shape[1] * shape[2]
            row = int(np.flatnonzero(index // per_member == hole // per_member)[0])
            raise Invalid(
                f"the architecture of row {row + 1} has no row for {_place_text(hole, shape, seeds)} ({n_holes:,} such holes);"
                " add it, or leave the architecture out"
            )

    def _arranged(self, values: Array) -> Table:
        """Each metric of the search beside its own on test data, which stands for it where there is none."""
        at = {name: index for index, name in enumerate(self._numbers)}
        metrics = [name for name in self._numbers if name != SECONDS and not name.startswith(VALIDATION)]
        test = values[..., [at[name] for name in metrics]]
        searched = test
        if any(name.startswith(VALIDATION) for name in at):
            searched = values[..., [at.get(VALIDATION + name, at[name]) for name in metrics]]
        return Table(
            space=self._space,
            protocol=self._protocol,
            metrics=tuple(metrics),
            members=self._members,
            test=test,
            searched=searched,
            seconds=values[..., at[SECONDS]].copy(),
        )


def _check_columns(columns: Sequence[str], genes: GeneColumns, numbers: Sequence[str], protocol: Protocol) -> None:
    metrics = {name for name, metric in known(protocol).items() if not metric.exact}
    # a gene that no member has active needs no column
    missing = [name for name in (*PLACE, "score", SECONDS) if name not in columns]
    if missing:
        raise Invalid(f"the table has no column {missing[0]!r}; it has {', '.join(columns)[:300]}")
    unknown = [name for name in numbers if name != SECONDS and name.removeprefix(VALIDATION) not in metrics]
    if unknown:
        raise Invalid(
            f"column {unknown[0]!r:.80} is neither a gene of the space nor a metric of the protocol; rename it or leave it"
            f" out. Genes: {', '.join(genes.names)[:300]}; metrics: {', '.join(sorted(metrics))[:600]}"
        )
    alone = [name for name in numbers if name.startswith(VALIDATION) and name.removeprefix(VALIDATION) not in numbers]
    if alone:
        raise Invalid(f"column {alone[0]!r} stands alone; give {alone[0].removeprefix(VALIDATION)!r} beside it, on test data")


def _place_text(index: int, shape: tuple[int, int, int], seeds: NDArray[np.int64]) -> str:
    _, rung, seed = np.unravel_index(index, shape)
    return f"rung {rung}, seed {seeds[seed]}"


def _number(cell: Any, name: str) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {cell!r:.60}, which is no number; correct it") from None
    except OverflowError:
        raise ValueError(f"{name} is {cell!r:.60}…, which is too large; correct it") from None
    if not np.isfinite(value) or (name == SECONDS and value < 0):
        raise ValueError(f"{name} is {value}; give a finite number" + (" from 0 on" if name == SECONDS else ""))
    return value


def _whole(cell: Any, name: str) -> int:
    value = _number(cell, name)
    if value != int(value):
        raise ValueError(f"{name} is {value}; give a whole number")
    if abs(value) >= WHOLE_BELOW:
        raise ValueError(f"{name} is {value:g}; give a whole number between -2**53 and 2**53")
    return int(value)
