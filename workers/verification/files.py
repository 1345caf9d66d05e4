"""Is every file of a folder the one that its manifest lists? Nothing outside the folder is read."""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from nas.errors import Invalid
from workers.verification.check import Check

MAX_DOCUMENT_BYTES = 64 << 20
"""Of a JSON document: those of the largest model that the service takes are a hundredth."""
SAID = 5
"""So many files are named at once."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of folder that this program writes."""

    manifest: str
    format: str
    title: str


KINDS = (
    Kind("exports.json", "nas-exports/1", "a folder of several exports"),
    Kind("export.json", "nas-export/1", "an export"),
    Kind("manifest.json", "nas-bundle/1", "a bundle"),
)


def kind_of(folder: Path) -> Kind:
    """By its manifest. Raises `Invalid` for a folder without one, and for one that another version wrote."""
    kind = next((kind for kind in KINDS if os.path.lexists(folder / kind.manifest)), None)
    if kind is None:
        raise Invalid(f"{folder} has no {', '.join(kind.manifest for kind in KINDS)}: nas export did not write it")
    found = read_json(folder / kind.manifest).get("format")
    if found != kind.format:
        raise Invalid(f"{kind.manifest} has the format {str(found)[:50]!r}; this version reads {kind.format!r}")
    return kind


def read_json(path: Path) -> dict[str, Any]:
    """An object of JSON. Raises `Invalid` for anything else, and for links."""
    try:
        if path.is_symlink() or path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise Invalid(f"{path.name} is a link or larger than {MAX_DOCUMENT_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Invalid(f"{path.name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise Invalid(f"{path.name} is no object")
    return document


def files_check(folder: Path, kind: Kind) -> Check:
    """Names what is a link, missing, extra or changed."""
    try:
        wrong = list(_wrong(folder, kind, _listed(folder, kind)))
    except (Invalid, OSError) as error:
        return Check("files", "failed", str(error))
    if wrong:
        more = f", and {len(wrong) - SAID} more" if len(wrong) > SAID else ""
        return Check("files", "failed", f"not as {kind.manifest} says: {', '.join(wrong[:SAID])}{more}")
    return Check("files", "ok", f"every file has the SHA-256 that {kind.manifest} lists, and there are no others")


def bytecode_checks(folder: Path) -> tuple[Check, ...]:
    """Says what Python compiled where an export's code was run: nobody can tell that it is still of that code."""
    found = sorted(path for path, _ in _entries(folder, "") if _is_bytecode(path))
    if not found:
        return ()
    places = ", ".join(sorted({str(PurePosixPath(path).parent) for path in found})[:SAID])
    return (Check("bytecode", "not checked", f"Python left {places} when code was run here; if that was not you, remove it"),)


def _is_bytecode(path: str) -> bool:
    return PurePosixPath(path).parent.name == "__pycache__" and path.endswith(".pyc")


def _listed(folder: Path, kind: Kind) -> Mapping[str, str]:
    files = read_json(folder / kind.manifest).get("files")
    try:
        return {str(path): str(entry["sha256"]) for path, entry in files.items()}  # type: ignore[union-attr] # caught below
    except (AttributeError, KeyError, TypeError) as error:
        raise Invalid(f"{kind.manifest} lists no files") from error


def _wrong(folder: Path, kind: Kind, listed: Mapping[str, str]) -> Iterator[str]:
    present = dict(_entries(folder, ""))
    del present[kind.manifest]
    for path in sorted(listed.keys() - present.keys()):
        yield f"{path} is missing"
    for path, mode in sorted(present.items()):
        if not stat.S_ISREG(mode):
            yield f"{path} is a link or no plain file"
        elif path not in listed and not _is_bytecode(path):
            yield f"{path} is extra"
        elif path in listed and sha256(folder / path) != listed[path]:
            yield f"{path} is changed"


def _entries(folder: Path, below: str) -> Iterator[tuple[str, int]]:
    """Every file below, with what kind of file it is; links are not followed."""
    for entry in os.scandir(folder):
        path, mode = f"{below}{entry.name}", entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from _entries(Path(entry.path), f"{path}/")
        else:
            yield path, mode


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
