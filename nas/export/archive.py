"""Opening a bundle that came over the network: nothing is written outside the folder, nothing is overwritten by accident."""

import hashlib
import json
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from nas.errors import Conflict, Invalid

MAX_MEMBERS = 10_000
MAX_BYTES = 1 << 36
"""64 GiB: the largest model that a service takes by default, once for each of sixteen tasks."""

CHUNK_BYTES = 1 << 20


def receive(chunks: Iterable[bytes], archive: IO[bytes]) -> None:
    """Write an archive as it comes over the network. Raises `Invalid` for one that does not end within the limit."""
    n_bytes = 0
    for chunk in chunks:
        n_bytes += len(chunk)
        if n_bytes > MAX_BYTES:
            raise Invalid(f"the archive is too large; at most {MAX_BYTES} bytes")
        archive.write(chunk)


def unpack(archive: IO[bytes], folder: Path, *, replace: bool = False) -> tuple[Path, ...]:
    """Write a zip's members below `folder`, which must be new or empty, or with `replace` a bundle. Returns the files written.

    The folder appears whole or not at all. Raises `Conflict` for a folder in use, `Invalid` for a member that is absolute,
    leads outside, is a link, or comes twice, for sizes beyond the limits, and for files that the manifest does not confirm.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        _check_replaceable(folder, replace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with _opened(archive) as source:
            members = _checked(source)
            for member in members:
                _extract(source, member, staging)
        _confirm(staging, {member.filename for member in members})
        _replace(folder, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return tuple(folder / member.filename for member in members)


def verify_manifest(folder: Path) -> None:
    """Compare every file with the manifest. Raises `Invalid` naming what is missing, changed or extra."""
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    _confirm(folder, present)


def _check_replaceable(folder: Path, replace: bool) -> None:
    """Only a bundle gives way to a bundle: a mistyped folder must not cost what is in it."""
    if not replace:
        raise Conflict(f"{folder} exists; name another folder, or add --force to replace it")
    if not (folder / "manifest.json").is_file():
        raise Conflict(f"{folder} is not a bundle and is not replaced; name another folder")


def _opened(archive: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except zipfile.BadZipFile as error:
        raise Invalid(f"this is not a bundle: {error}") from error


def _checked(source: zipfile.ZipFile) -> tuple[zipfile.ZipInfo, ...]:
    members = tuple(source.infolist())
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_BYTES:
        raise Invalid(f"the archive is too large; at most {MAX_MEMBERS} files and {MAX_BYTES} bytes")
    for member in members:
        reason = _unsafe(member)
        if reason:
            raise Invalid(f"the archive holds {member.filename[:200]!r}, which {reason}; nothing was written")
    if len({member.filename for member in members}) != len(members):
        raise Invalid("the archive holds a file twice; nothing was written")
    return members


def _unsafe(member: zipfile.ZipInfo) -> str | None:
    path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or "\\" in member.filename or ":" in member.filename or "\x00" in member.filename:
        return "is not a relative path"
    if ".." in path.parts or not path.parts:
        return "leads outside the folder"
    if kind not in (0, stat.S_IFREG) or member.is_dir():
        return "is not a plain file"
    return None


def _extract(source: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source.open(member) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file, CHUNK_BYTES)
    except (zipfile.BadZipFile, EOFError) as error:
        raise Invalid(f"the archive is damaged at {member.filename!r}; download it again") from error


def _confirm(folder: Path, present: set[str]) -> None:
    """Every file is as the manifest says, and the manifest says every file."""
    listed = _manifest(folder)
    different = sorted(set(listed) ^ (present - {"manifest.json"}))
    if different:
        raise Invalid(f"manifest.json and the files disagree about {', '.join(different[:5])}")
    changed = [path for path, digest in listed.items() if _sha256(folder / path) != digest]
    if changed:
        raise Invalid(f"these files are not what manifest.json says: {', '.join(sorted(changed)[:5])}")


def _manifest(folder: Path) -> dict[str, str]:
    try:
        files = json.loads((folder / "manifest.json").read_text())["files"]
        return {str(path): str(entry["sha256"]) for path, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("there is no readable manifest.json; this is not a bundle") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(folder: Path, staging: Path) -> None:
    staging.chmod(0o755)
    if folder.is_dir():
        shutil.rmtree(folder)
    staging.rename(folder)
