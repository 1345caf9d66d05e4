"""A corpus: bytes to model, packed once into memory-mapped files that every process of the machine shares.

A pack is found by its files' names, sizes and times of change, so that one that is there costs no reading, and a changed file
is noticed. What the pack holds has a digest, which a study carries from its submission on.
"""

import hashlib
import json
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from nas.data.cache import kept
from nas.data.documents import documents
from nas.data.location import STDLIB, SourceFile, files_of
from nas.data.packing import MAX_BYTES, SPLITS, pack, path_of
from nas.errors import Invalid
from search_spaces.document import Document

NOT_STDLIB = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})
"""Folders below the standard library's that are left out: what was installed later, and the library's own tests."""

MAX_FILES = 100_000
MANIFEST = "manifest.json"
VERSION = 1
"""Of how documents are read, dealt out and written; another one makes every pack anew."""

ByteArray = npt.NDArray[np.uint8]


class Manifest(Document):
    """What a pack holds; `content_digest` is over the bytes of all splits."""

    content_digest: str
    n_documents: int
    n_copies: int
    n_bytes: tuple[int, ...]
    """Of each split, in their order."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The bytes of each split, mapped into memory, and what the pack says about them."""

    train: ByteArray
    validation: ByteArray
    test: ByteArray
    manifest: Manifest

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes of all splits."""
        return self.manifest.content_digest

    def check_windows(self, length: int, n_validation: int, n_test: int) -> None:
        """Raise `Invalid` unless there are so many windows of `length` bytes and their next ones, apart from each other."""
        for split, content, n_windows in (
            ("train", self.train, 1),
            ("validation", self.validation, n_validation),
            ("test", self.test, n_test),
        ):
            n_places = (len(content) - 1) // length
            if n_places < n_windows:
                raise Invalid(
                    f"the corpus has {len(content):,} bytes for {split}, {n_places:,} windows of {length:,}, and needs"
                    f" {n_windows:,}: give more text, fewer windows (n_validation, n_test) or a shorter sequence_length"
                )


def load(
    name: str, data_root: Path | None, packs: Path | None = None, *, text_key: str = "text", digest: str | None = None
) -> Corpus:
    """The corpus called `name`. Raises `Invalid` when it cannot be used, or is not the one with the `digest` that is asked for.

    `packs`: the folder that keeps packs; unset: this process keeps its own as long as it lives.
    """
    files = _stdlib_files() if name == STDLIB else files_of(name, data_root)
    n_bytes = sum(file.n_bytes for file in files)
    if len(files) > MAX_FILES:
        raise Invalid(f"corpus {name!r} has {len(files):,} files; join them into at most {MAX_FILES:,}")
    if not 0 < n_bytes <= MAX_BYTES:
        raise Invalid(f"corpus {name!r} has {n_bytes:,} bytes; it needs between 1 and {MAX_BYTES:,}")
    found = _own(files, text_key) if packs is None else _shared(files, text_key, packs)
    if digest not in (None, found.digest):
        raise Invalid(
            f"the corpus has changed since the study was submitted: {name!r} has digest {found.digest}, the study asks for"
            f" {digest}; restore its files, or submit the study again without corpus_digest"
        )
    return found


@cache
def _stdlib_paths() -> tuple[Path, ...]:
    root = Path(sysconfig.get_path("stdlib"))
    sources = (path for path in root.rglob("*.py") if NOT_STDLIB.isdisjoint(path.relative_to(root).parts))
    return tuple(sorted(path for path in sources if path.is_file()))


def _stdlib_files() -> tuple[SourceFile, ...]:
    return tuple(SourceFile.at(path, path.name) for path in _stdlib_paths())


def _shared(files: tuple[SourceFile, ...], text_key: str, packs: Path) -> Corpus:
    known_by = [VERSION, text_key, [(str(file.path), file.name, file.n_bytes, file.modified_ns) for file in files]]
    key = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
    return _opened(kept(packs, key, partial(_make, files, text_key), _is_whole))


@lru_cache(maxsize=4)
def _own(files: tuple[SourceFile, ...], text_key: str) -> Corpus:
    with tempfile.TemporaryDirectory(prefix="nas-pack-") as folder:
        _make(files, text_key, Path(folder))
        # what is mapped stays readable when its file is removed
        return _opened(Path(folder))


def _make(files: Sequence[SourceFile], text_key: str, folder: Path) -> None:
    packed = pack(documents(files, text_key), folder)
    sizes = tuple(path_of(folder, split).stat().st_size for split in SPLITS)
    manifest = Manifest(content_digest=packed.digest, n_documents=packed.n_documents, n_copies=packed.n_copies, n_bytes=sizes)
    (folder / MANIFEST).write_text(manifest.to_json())


def _is_whole(folder: Path) -> bool:
    try:
        manifest = Manifest.from_json((folder / MANIFEST).read_bytes())
        return manifest.n_bytes == tuple(path_of(folder, split).stat().st_size for split in SPLITS)
    except (OSError, ValidationError):
        return False


def _opened(folder: Path) -> Corpus:
    manifest = Manifest.from_json((folder / MANIFEST).read_bytes())
    train, validation, test = (np.asarray(np.memmap(path_of(folder, split), np.uint8, mode="r")) for split in SPLITS)
    return Corpus(train, validation, test, manifest)
