"""Opening an export that came over the network: nothing is written outside the folder, nothing is overwritten by accident."""

import hashlib
import json
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from nas.errors import Invalid
from nas.export.staging import MANIFESTS, new_folder

MAX_MEMBERS = 10_000
MAX_BYTES = 1 << 36
"""64 GiB: the largest model that a service takes by default, once for each of sixteen tasks."""

CHUNK_BYTES = 1 << 20
ZIP_SIGNATURE = b"PK\x03\x04"
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    LookupError, ArithmeticError,
)  # fmt: skip
"""What the standard library raises for archives that are broken, encrypted, or of a kind that it does not know."""


@dataclass(frozen=True, slots=True)
class _Member:
    """One entry of an archive, as its header says it is."""

    path: str
    n_bytes: int
    is_plain: bool
    header: zipfile.ZipInfo | tarfile.TarInfo


def receive(chunks: Iterable[bytes], archive: IO[bytes]) -> None:
    """Write an archive as it comes over the network. Raises `Invalid` for one that does not end within the limit."""
    n_bytes = 0
    for chunk in chunks:
        n_bytes += len(chunk)
        if n_bytes > MAX_BYTES:
            raise Invalid(f"the archive is too large; at most {MAX_BYTES} bytes")
        archive.write(chunk)


def unpack(archive: IO[bytes], folder: Path, *, replace: bool = False) -> tuple[Path, ...]:
    """Write the members of a zip or a tar below `folder`, which must be new or empty, or with `replace` an export.

    The folder appears whole or not at all. Returns the files written. Raises `Conflict` for a folder in use, `Invalid` for a
    member that is absolute, leads outside, is a link, or comes twice, for sizes beyond the limits, and for files that the
    manifest does not confirm.
    """
    with new_folder(folder, replace=replace) as staging:
        with _opened(archive) as source:
            members = _checked(source)
            for member in members:
                _extract(source, member, staging)
        _confirm(staging, {member.path for member in members})
    return tuple(folder / member.path for member in members)


def verify_manifest(folder: Path) -> None:
    """Compare every file with the manifest. Raises `Invalid` naming what is missing, changed or extra."""
    _confirm(folder, {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()})


_Source = zipfile.ZipFile | tarfile.TarFile


class _Wary:
    """A file that nobody reads much of at once: the headers of a tar may claim any length, and would be read whole."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """As a file's. Raises `tarfile.ReadError` for more than a chunk."""
        if not 0 <= size <= CHUNK_BYTES:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)


@contextmanager
def _opened(archive: IO[bytes]) -> Iterator[_Source]:
    """By what it is, whatever it is called. Compressed tars are none of ours."""
    try:
        archive.seek(0)
        is_zip = archive.read(len(ZIP_SIGNATURE)) == ZIP_SIGNATURE
        archive.seek(0)
        source = zipfile.ZipFile(archive) if is_zip else tarfile.TarFile(fileobj=cast(IO[bytes], _Wary(archive)))
    except DAMAGED as error:
        raise Invalid(f"this is not an export, or not all of one: {error}; download it again") from error
    with source:
        yield source


def _checked(source: _Source) -> tuple[_Member, ...]:
    members = tuple(_members(source))
    if sum(member.n_bytes for member in members) > MAX_BYTES:
        raise Invalid(f"the archive is too large; at most {MAX_BYTES} bytes")
    for member in members:
        reason = _unsafe(member)
        if reason:
            raise Invalid(f"the archive holds {member.path[:200]!r}, which {reason}; nothing was written")
    if len({member.path for member in members}) != len(members):
        raise Invalid("the archive holds a file twice; nothing was written")
    return members


def _members(source: _Source) -> Iterator[_Member]:
    """In order. Raises `Invalid` for too many, before all of a tar's are looked for."""
    found = map(_zip_member, source.infolist()) if isinstance(source, zipfile.ZipFile) else map(_tar_member, source)
    try:
        for n_members, member in enumerate(found, start=1):
            if n_members > MAX_MEMBERS:
                raise Invalid(f"the archive is too large; at most {MAX_MEMBERS} files")
            yield member
    except DAMAGED as error:
        raise Invalid(f"the archive is damaged: {error}; download it again") from error


def _zip_member(header: zipfile.ZipInfo) -> _Member:
    is_plain = stat.S_IFMT(header.external_attr >> 16) in (0, stat.S_IFREG) and not header.filename.endswith("/")
    return _Member(header.filename, header.file_size, is_plain, header)


def _tar_member(header: tarfile.TarInfo) -> _Member:
    is_plain = header.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not header.issparse()
    return _Member(header.name, header.size, is_plain, header)


def _unsafe(member: _Member) -> str | None:
    path = PurePosixPath(member.path)
    if path.is_absolute() or any(sign in member.path for sign in "\\:\x00"):
        return "is not a relative path"
    if ".." in path.parts or not path.parts:
        return "leads outside the folder"
    return None if member.is_plain else "is not a plain file"


def _extract(source: _Source, member: _Member, folder: Path) -> None:
    target = folder / member.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _content(source, member) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file, CHUNK_BYTES)
    except DAMAGED as error:
        raise Invalid(f"the archive is damaged at {member.path!r}; download it again") from error


def _content(source: _Source, member: _Member) -> IO[bytes]:
    if isinstance(source, zipfile.ZipFile):
        assert isinstance(member.header, zipfile.ZipInfo)
        return source.open(member.header)
    assert isinstance(member.header, tarfile.TarInfo)
    content = source.extractfile(member.header)
    assert content is not None
    return content


def _confirm(folder: Path, present: set[str]) -> None:
    """Every file is as the manifest says, and the manifest says every file."""
    name, listed = _manifest(folder)
    different = sorted(set(listed) ^ (present - {name}))
    if different:
        raise Invalid(f"{name} and the files disagree about {', '.join(different[:5])}")
    changed = [path for path, digest in listed.items() if _sha256(folder / path) != digest]
    if changed:
        raise Invalid(f"these files are not what {name} says: {', '.join(sorted(changed)[:5])}")


def _manifest(folder: Path) -> tuple[str, dict[str, str]]:
    """Its name, and the SHA-256 of every file that it lists."""
    name = next((name for name in MANIFESTS if (folder / name).is_file()), MANIFESTS[0])
    try:
        files = json.loads((folder / name).read_text())["files"]
        return name, {str(path): str(entry["sha256"]) for path, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(f"there is no readable {name}; this is not an export") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
