"""Where the text for language modelling lies: one corpus comes with every Python, users' own lie below the data root.

Submission and the workers look here, so that a path is accepted by both or by neither.
"""

from pathlib import Path, PurePosixPath

from nas.errors import Invalid

STDLIB = "python-stdlib"
BUILT_IN_CORPORA = frozenset({STDLIB})


def locate(name: str, root: Path) -> Path:
    """The file or folder of a user's corpus; `root` is the data root, resolved. Raises `Invalid`."""
    relative = PurePosixPath(name)
    if "\0" in name or relative.is_absolute() or ".." in relative.parts:
        raise Invalid(f"corpus {name!r} must be a relative path inside the data root, without '..'")
    try:
        start = inside(root / relative, root)
        exists = start.exists()
    except OSError:
        # a name that the file system refuses is not there either
        exists = False
    if not exists:
        raise Invalid(f"corpus {name!r} is not in the data root; put a file or folder of that name there")
    return start


def inside(path: Path, root: Path) -> Path:
    """The path without links. Raises `Invalid` when they lead out of `root`."""
    resolved = path.resolve()
    if not resolved.is_relative_to(root):
        raise Invalid(f"corpus file {path.name!r} leads outside the data root; replace the link by a copy")
    return resolved
