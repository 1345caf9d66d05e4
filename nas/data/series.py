"""Measurements over time, from CSV or NPY: read, checked for holes, split in time, standardised.

Shapes: [time, channels]. The first part trains, the next validates, the last tests, with a window's length left out between
them, so that no window of one part overlaps or touches one of another. Means and deviations are those of the training part.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.data.location import SourceFile, locate
from nas.data.table import Table, read_csv, read_npy
from nas.errors import Invalid

MAX_TEXT_BYTES = 64 * 2**20
"""Of a CSV file, of which a process parses about 9 MB a second, once."""

MAX_ARRAY_BYTES = 256 * 2**20

MAX_MAGNITUDE = 1e30
"""Of a value: its square must be a number too."""

HELD_OUT = 0.1
"""Share of the time for validation, and again for test."""

FloatArray = npt.NDArray[np.float32]

READERS = {".csv": (read_csv, MAX_TEXT_BYTES), ".tsv": (read_csv, MAX_TEXT_BYTES), ".npy": (read_npy, MAX_ARRAY_BYTES)}
"""By the end of a file's name: what reads it, and how large it may be."""


@dataclass(frozen=True, slots=True)
class Series:
    """Standardised values of each split, [time, channels]; `mean` and `deviation` [channels] give the measured ones back.

    `digest`: SHA-256 of the columns' names and values as they were read.
    """

    train: FloatArray
    validation: FloatArray
    test: FloatArray
    columns: tuple[str, ...]
    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]
    digest: str

    def check_windows(self, window: int, n_validation: int, n_test: int) -> None:
        """Raise `Invalid` unless so many windows of `window` rows can start at rows of their own."""
        for split, values, n_windows in (("validation", self.validation, n_validation), ("test", self.test, n_test)):
            n_places = len(values) - window + 1
            if n_places < n_windows:
                raise Invalid(
                    f"the file has {n_places:,} places for windows of {window:,} rows in its {split} part; n_{split} asks for"
                    f" {n_windows:,}: give more rows, fewer windows or a shorter sequence_length"
                )


def load(
    name: str,
    data_root: Path | None,
    *,
    window: int,
    columns: tuple[str, ...] | None = None,
    digest: str | None = None,
) -> Series:
    """The measurements in the file called `name`. Raises `Invalid` when they cannot be used.

    `window`: rows of one window, inputs and targets together; so many are left out between splits, and each split has at
    least one. `columns`: names of the header, or "1", "2", … where there is none; unset: all that hold numbers. `digest`: what
    the file must have, when the study that is running has seen it before.
    """
    path = locate(name, data_root)
    if not path.is_file() or path.suffix.lower() not in READERS:
        raise Invalid(f"{name!r} must be one file that ends in {', '.join(READERS)}")
    file = SourceFile.at(path, name)
    read = _read(file, columns)
    if digest not in (None, read.digest):
        raise Invalid(
            f"the measurements have changed since the study was submitted: {name!r} has digest {read.digest}, the study"
            f" {digest}; restore the file, or submit the study again"
        )
    return _split(read, name, window)


@dataclass(frozen=True, slots=True)
class _Read:
    table: Table
    digest: str


@lru_cache(maxsize=2)
def _read(file: SourceFile, columns: tuple[str, ...] | None) -> _Read:
    reader, most = READERS[file.path.suffix.lower()]
    if not 0 < file.n_bytes <= most:
        raise Invalid(f"{file.name!r} has {file.n_bytes:,} bytes; it needs between 1 and {most:,}")
    try:
        table = reader(file, columns)
    except OSError as error:
        raise Invalid(f"{file.name!r} cannot be read ({error.strerror}); let the service's user read it") from error
    file.check_unchanged()
    _check_magnitudes(file.name, table)
    content = repr((table.columns, table.values.shape)).encode() + table.values.tobytes()
    return _Read(table, hashlib.sha256(content).hexdigest())


def _check_magnitudes(name: str, table: Table) -> None:
    too_large = np.argwhere(np.abs(table.values) > MAX_MAGNITUDE)
    if len(too_large):
        row, column = too_large[0]
        raise Invalid(f"{name!r} has a value above {MAX_MAGNITUDE:g} in {table.place(row, column)}; give it another unit")


def _split(read: _Read, name: str, window: int) -> Series:
    values, columns = read.table.values, read.table.columns
    n_rows = len(values)
    n_held_out = int(n_rows * HELD_OUT)
    n_train = n_rows - 2 * (n_held_out + window)
    if min(n_held_out, n_train) < window:
        raise Invalid(
            f"{name!r} has {n_rows:,} rows; windows of {window:,} need at least {_least_rows(window):,}, of which a tenth"
            " validates and a tenth tests: give more rows or a shorter sequence_length"
        )
    mean, deviation = values[:n_train].mean(0), values[:n_train].std(0)
    # rounding leaves a constant column a deviation of about its last digit
    constant = np.flatnonzero(deviation <= 1e-12 * np.abs(mean))
    if len(constant):
        raise Invalid(f"{name!r}: column {columns[constant[0]]!r} never changes in the training part; leave it out")
    validation, test = n_train + window, n_rows - n_held_out
    standard = ((values - mean) / deviation).astype(np.float32)
    standard.flags.writeable = False
    return Series(
        standard[:n_train],
        standard[validation : validation + n_held_out],
        standard[test:],
        columns,
        mean,
        deviation,
        read.digest,
    )


def _least_rows(window: int) -> int:
    """The fewest rows of which each split has a window."""
    return round(window / HELD_OUT)
