"""Which versions write an export: of packages, and in a checkout of the commit, since code is generated from our source."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nas

PACKAGES = ("numpy", "safetensors", "transformers", "onnx")
"""Whose versions can change what is written, beside ours; those that are installed are named."""


@cache
def versions() -> dict[str, str]:
    """Ours, such as `0.1.0+g1234567` in a checkout, and those of the packages that take part."""
    found = commit(Path(nas.__file__).parents[1])
    ours = version("nas") + (f"+g{found[:7]}" if found else "")
    return {"nas": ours, **{package: said for package in PACKAGES if (said := _installed(package)) is not None}}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit(root: Path) -> str | None:
    """The git commit of a source tree; None for an installed package."""
    try:
        head = (root / ".git" / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        loose = root / ".git" / name
        return loose.read_text(encoding="ascii").strip() if loose.is_file() else _packed(root / ".git" / "packed-refs", name)
    except (OSError, UnicodeDecodeError):
        return None


def _packed(refs: Path, name: str) -> str | None:
    lines = (line.partition(" ") for line in refs.read_text(encoding="ascii").splitlines())
    return next((digest for digest, _, found in lines if found == name), None)
