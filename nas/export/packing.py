"""Archives as streams: a zip or a tar of members whose bytes are taken one chunk after the other.

Nothing is compressed: weights do not shrink. The same members at the same moment give the same bytes.
"""

import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, get_args

ArchiveKind = Literal["zip", "tar"]
ARCHIVE_KINDS: tuple[ArchiveKind, ...] = get_args(ArchiveKind)
MEDIA_TYPES: dict[ArchiveKind, str] = {"zip": "application/zip", "tar": "application/x-tar"}

CHUNK_BYTES = 1 << 20
MODE = 0o644
TIMELESS = datetime(2020, 1, 1, tzinfo=UTC)
"""The moment of what has none, so that the same export gives the same archive."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive. Its chunks are taken once, before the next member is asked for."""

    path: str
    n_bytes: int
    chunks: Iterator[bytes]


def archived(kind: ArchiveKind, members: Iterable[Member], moment: datetime) -> Iterator[bytes]:
    """The archive's bytes. `moment` is every member's time."""
    return _zipped(members, moment) if kind == "zip" else _tarred(members, moment)


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """The rest of an open file."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def members_of(folder: Path) -> Iterator[Member]:
    """Every file below a folder, in order of path."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            yield Member(path.relative_to(folder).as_posix(), path.stat().st_size, chunks_of(file))


class _Outbox:
    """A file that only grows, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Keep the bytes until they are taken."""
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is held open."""

    def take(self) -> bytes:
        """Everything since the last call."""
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken


def _zipped(members: Iterable[Member], moment: datetime) -> Iterator[bytes]:
    """Each member's size and checksum follow its bytes."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            entry = zipfile.ZipInfo(member.path, date_time=moment.timetuple()[:6])
            entry.external_attr = (0o100000 | MODE) << 16
            with archive.open(entry, "w", force_zip64=member.n_bytes >= zipfile.ZIP64_LIMIT) as target:
                for chunk in member.chunks:
                    target.write(chunk)
                    yield outbox.take()
    yield outbox.take()


def _tarred(members: Iterable[Member], moment: datetime) -> Iterator[bytes]:
    for member in members:
        entry = tarfile.TarInfo(member.path)
        entry.size, entry.mode, entry.mtime = member.n_bytes, MODE, int(moment.timestamp())
        yield entry.tobuf(tarfile.PAX_FORMAT)
        yield from member.chunks
        yield bytes(-member.n_bytes % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
