"""Documents dealt out to training, validation and test by the hash of their content, and packed into one file per split.

Of the documents in the order of their hashes, the first tenth of all bytes tests, the next tenth validates, the rest trains;
copies are left out. So no document, nor a copy of one, is on two sides. Within a split documents keep the order that they were
read in, each followed by a blank line. Memory holds 32 bytes per document, and one document at a time.
"""

import hashlib
import mmap
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from nas.errors import Invalid

SPLITS = ("train", "validation", "test")
BLANK_LINE = b"\n\n"
HELD_OUT = 0.1
MIN_DOCUMENTS = 10
MAX_DOCUMENTS = 10_000_000
MAX_BYTES = 2**31
HASH_BYTES = 16
BUFFER_BYTES = 2**20
COPY = len(SPLITS)
"""The side of a document that was there before: none."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: documents, copies left out, and the SHA-256 of the bytes of all splits."""

    n_documents: int
    n_copies: int
    digest: str


def pack(documents: Iterator[bytes], folder: Path) -> Packed:
    """Write a file for each split into `folder`. Raises `Invalid` for too few documents or too much text."""
    spool = folder / "spool"
    try:
        with spool.open("wb", buffering=BUFFER_BYTES) as file:
            hashes, sizes = _spooled(documents, file)
        sides = _dealt(np.frombuffer(hashes, ">u8").reshape(-1, 2), np.frombuffer(sizes, np.int64))
        digest = _written(spool, np.frombuffer(sizes, np.int64), sides, folder)
    finally:
        spool.unlink(missing_ok=True)
    n_copies = int((sides == COPY).sum())
    return Packed(len(sides) - n_copies, n_copies, digest)


def path_of(folder: Path, split: str) -> Path:
    """The file that holds the bytes of a split."""
    return folder / f"{split}.bin"


def _spooled(documents: Iterator[bytes], file: BinaryIO) -> "tuple[bytearray, array[int]]":
    """Each document's hash and its size with the blank line, in the order that they were written to `file` in."""
    hashes, sizes = bytearray(), array("q")
    room = MAX_BYTES
    for content in documents:
        size = len(content) + len(BLANK_LINE)
        room -= size
        if room < 0 or len(sizes) == MAX_DOCUMENTS:
            raise Invalid(f"the corpus has more than {MAX_BYTES:,} bytes or {MAX_DOCUMENTS:,} documents; name a part of it")
        hashes += hashlib.sha256(content).digest()[:HASH_BYTES]
        sizes.append(size)
        file.write(content)
        file.write(BLANK_LINE)
    return hashes, sizes


def _dealt(hashes: npt.NDArray[np.uint64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The side of each document: an index of `SPLITS`, or `COPY`. Every split gets at least one."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(1)
    kept = order[is_first]
    if len(kept) < MIN_DOCUMENTS:
        raise Invalid(
            f"the corpus has {len(kept)} different documents and needs at least {MIN_DOCUMENTS}, so that some can be held"
            " out: give more files, JSONL with one document a line, or a single text file with blank lines between paragraphs"
        )
    ends = np.cumsum(sizes[kept])
    tenth = ends[-1] * HELD_OUT
    n_test = min(int(np.searchsorted(ends, tenth)) + 1, len(kept) - 2)
    n_held_out = min(int(np.searchsorted(ends, ends[n_test - 1] + tenth)) + 1, len(kept) - 1)
    sides = np.full(len(order), COPY, np.uint8)
    sides[kept] = SPLITS.index("train")
    sides[kept[:n_test]] = SPLITS.index("test")
    sides[kept[n_test:n_held_out]] = SPLITS.index("validation")
    return sides


def _written(spool: Path, sizes: npt.NDArray[np.int64], sides: npt.NDArray[np.uint8], folder: Path) -> str:
    """Copy each run of documents that have one side to its split; the digest of all splits."""
    digest = hashlib.sha256()
    with spool.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text, memoryview(text) as content:
        for index, split in enumerate(SPLITS):
            part = hashlib.sha256()
            with path_of(folder, split).open("wb", buffering=BUFFER_BYTES) as out:
                for start, end in _runs(sizes, sides == index):
                    out.write(content[start:end])
                    part.update(content[start:end])
            digest.update(part.digest())
    return digest.hexdigest()


def _runs(sizes: npt.NDArray[np.int64], chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """From which byte to which each run of chosen documents goes."""
    ends = np.concatenate(([0], np.cumsum(sizes)))
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    yield from zip(ends[edges[::2]].tolist(), ends[edges[1::2]].tolist(), strict=True)
