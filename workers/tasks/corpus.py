"""Text as bytes for language modelling: read once per process, split by document, packed into one array per split.

Documents are ordered by the hash of their content and dealt out by bytes: the first tenth to test, the next to validation,
the rest to training. So no document, nor a copy of it, is on two sides. A single file is cut into three consecutive parts.
"""

import hashlib
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.corpora import STDLIB, inside, locate
from nas.errors import Invalid

NOT_STDLIB = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})
"""Folders below the standard library's that are left out: what was installed later, and the library's own tests."""

MAX_BYTES = 2**31
MAX_FILES = 100_000

ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The bytes of each split and the SHA-256 of them all."""

    train: ByteArray
    validation: ByteArray
    test: ByteArray
    digest: str


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was when it was listed, so that a changed one is read again."""

    path: Path
    n_bytes: int
    modified_ns: int


def load(name: str, data_root: Path | None) -> Corpus:
    """The corpus called `name`. Raises `Invalid` when it is missing, empty, too large, or outside the data root."""
    paths = _stdlib_sources() if name == STDLIB else _user_files(name, data_root)
    if len(paths) > MAX_FILES:
        raise Invalid(f"corpus {name!r} has {len(paths)} files; join them into at most {MAX_FILES}")
    files = tuple(_File(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    n_bytes = sum(file.n_bytes for file in files)
    if not 0 < n_bytes <= MAX_BYTES:
        raise Invalid(f"corpus {name!r} has {n_bytes} bytes; it needs between 1 and {MAX_BYTES}")
    return _packed(files)


@cache
def _stdlib_sources() -> tuple[Path, ...]:
    root = Path(sysconfig.get_path("stdlib"))
    sources = (path for path in root.rglob("*.py") if NOT_STDLIB.isdisjoint(path.relative_to(root).parts))
    return tuple(sorted(path for path in sources if path.is_file()))


def _user_files(name: str, data_root: Path | None) -> tuple[Path, ...]:
    """Regular files at `name` below the data root; hidden ones are left out. Links may not lead outside."""
    if data_root is None:
        raise Invalid(f"corpus {name!r} needs a data root, and none is set; set one, or use {STDLIB!r}")
    root = data_root.resolve()
    start = locate(name, root)
    if start.is_file():
        return (start,)
    visible = (path for path in sorted(start.rglob("*")) if not _is_hidden(path.relative_to(start)))
    return tuple(path for path in (inside(path, root) for path in visible) if path.is_file())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


@lru_cache(maxsize=4)
def _packed(files: tuple[_File, ...]) -> Corpus:
    contents = [file.path.read_bytes() for file in files]
    train, validation, test = _cut(contents[0]) if len(contents) == 1 else _deal(contents)
    digest = hashlib.sha256()
    for split in (train, validation, test):
        digest.update(len(split).to_bytes(8, "big"))
        digest.update(split)
    return Corpus(_array(train), _array(validation), _array(test), digest.hexdigest())


def _array(content: bytes) -> ByteArray:
    return np.frombuffer(content, dtype=np.uint8)


def _cut(content: bytes) -> tuple[bytes, bytes, bytes]:
    first, second = len(content) * 8 // 10, len(content) * 9 // 10
    return content[:first], content[first:second], content[second:]


def _deal(contents: Sequence[bytes]) -> tuple[bytes, bytes, bytes]:
    documents = sorted({hashlib.sha256(content).digest(): content for content in contents if content}.items())
    if len(documents) < 3:
        raise Invalid(
            f"a corpus folder needs 3 different documents, this has {len(documents)}; join them into one file instead"
        )
    tenth = sum(len(content) for _, content in documents) / 10
    queue = (content for _, content in documents)
    test = b"".join(_take(queue, tenth))
    validation = b"".join(_take(queue, tenth))
    return b"".join(queue), validation, test


def _take(queue: Iterator[bytes], n_bytes: float) -> Iterator[bytes]:
    """Documents from the front until they have at least `n_bytes`."""
    taken = 0
    for content in queue:
        yield content
        taken += len(content)
        if taken >= n_bytes:
            return
