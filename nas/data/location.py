"""Where users' files lie: below the data root, as relative paths.

What is outside and what is missing is told in the same words. A file is known by its name, size and time of change, so that
a changed one is read again.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nas.errors import Invalid

STDLIB = "python-stdlib"
"""The corpus that every machine has: the sources of Python's standard library."""

NOT_THERE = "no such file or folder below the data root; give a path relative to it, without '..'"
NO_ROOT = f"this service has no data root, so it reads no files of users (NAS_DATA_ROOT); corpus {STDLIB!r} needs none"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was when it was listed. `name`: its path below the folder that the user knows it by."""

    path: Path
    name: str
    n_bytes: int
    modified_ns: int

    @classmethod
    def at(cls, path: Path, name: str) -> "SourceFile":
        """The file at `path` as it is now. Raises `Invalid` when it is not to be had."""
        try:
            status = path.stat()
        except OSError as error:
            raise Invalid(f"{name!r} cannot be read ({error.strerror}); let the service's user read it") from error
        return cls(path, name, status.st_size, status.st_mtime_ns)

    def check_unchanged(self) -> None:
        """Raise `Invalid` when the file is no longer what was listed."""
        if SourceFile.at(self.path, self.name) != self:
            raise Invalid(f"{self.name!r} changed while it was read; try again when it is complete")


def locate(name: str, data_root: Path | None) -> Path:
    """The file or folder that a user calls `name`, without links. Raises `Invalid`."""
    if data_root is None:
        raise Invalid(NO_ROOT)
    root, relative = data_root.resolve(), PurePosixPath(name)
    if "\0" in name or relative.is_absolute() or ".." in relative.parts:
        raise Invalid(NOT_THERE)
    try:
        start = (root / relative).resolve()
        if start.is_relative_to(root) and start.exists():
            return start
    except (OSError, RuntimeError) as error:
        # a name that the file system refuses, or a link to itself, is not there either
        raise Invalid(NOT_THERE) from error
    raise Invalid(NOT_THERE)


def files_of(name: str, data_root: Path | None) -> tuple[SourceFile, ...]:
    """The file at `name`, or the regular files below that folder in order; hidden ones are left out. Raises `Invalid`."""
    start = locate(name, data_root)
    if start.is_file():
        return (SourceFile.at(start, PurePosixPath(name).name),)
    root = Path() if data_root is None else data_root.resolve()
    below = sorted(path for path in start.rglob("*") if not _is_hidden(path.relative_to(start)))
    return tuple(SourceFile.at(path, path.relative_to(start).as_posix()) for path in below if _leads_to_file(path, root))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _leads_to_file(path: Path, root: Path) -> bool:
    """Whether it is a regular file. Raises `Invalid` for a link out of the root."""
    if not path.resolve().is_relative_to(root):
        raise Invalid(f"{path.name!r} is a link that leads out of the data root; replace it by a copy")
    return path.is_file()
