"""Folders that appear whole or not at all: written beside their place, and moved there at the end."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import Conflict, Invalid

MANIFESTS = ("manifest.json", "export.json", "exports.json")
"""One of these is in every folder that this package writes, and confirms every other file."""


@contextmanager
def new_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder beside `folder`, which takes its place at the end of the block; after an error nothing is left of it.

    Raises `Conflict` for a folder in use (with `replace`: one that is no export) and `Invalid` where nothing can be written.
    """
    try:
        _check_place(folder, replace)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            staging = Path(beside) / "new"
            staging.mkdir()
            yield staging
            _make_readable(staging)
            _move(staging, folder, Path(beside) / "old", replace)
    except OSError as error:
        raise Invalid(f"{folder} cannot be written: {error.strerror or error}; name another folder with --out") from error


def is_export(folder: Path) -> bool:
    """Whether a folder has a manifest of ours."""
    return any((folder / name).is_file() for name in MANIFESTS)


def _check_place(folder: Path, replace: bool) -> None:
    """Only an export gives way to an export: a mistyped folder must not cost what is in it."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not replace:
        raise Conflict(f"{folder} exists; name another folder with --out, or add --force to replace an export")
    if not is_export(folder):
        raise Conflict(f"{folder} is not an export and is not replaced; name another folder with --out")


def _make_readable(folder: Path) -> None:
    """safetensors makes files that only their owner may read."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _move(staging: Path, folder: Path, old: Path, replace: bool) -> None:
    """Only an empty folder gives way without `replace`, so that nothing that came meanwhile is lost."""
    if replace and folder.exists():
        folder.rename(old)
    try:
        staging.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
