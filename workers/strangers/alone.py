"""Run a program that cannot import our packages and cannot reach a network: `python -I alone.py PROGRAM ARGUMENTS`.

Our packages are not found, as where they were never installed; a connection is an error.
"""

import runpy
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution
from types import ModuleType
from typing import Any

OURS = frozenset({"api", "kernels", "nas", "search_spaces", "tests", "workers"})


class Without:
    """All finders of modules as one, which finds none of ours. Some libraries look for packages of these names."""

    def __init__(self, finders: Sequence[Any]) -> None:
        self._finders = finders

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What the first finder finds."""
        if name.partition(".")[0] in OURS:
            return None
        found = (finder.find_spec(name, path, target) for finder in self._finders if hasattr(finder, "find_spec"))
        return next((spec for spec in found if spec is not None), None)

    def find_distributions(self, *context: Any) -> Iterator[Distribution]:
        """What every finder finds: `importlib.metadata` asks for it."""
        for finder in self._finders:
            if hasattr(finder, "find_distributions"):
                yield from finder.find_distributions(*context)

    def invalidate_caches(self) -> None:
        """Of all finders."""
        for finder in self._finders:
            if hasattr(finder, "invalidate_caches"):
                finder.invalidate_caches()


def refuse_connections(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook. Raises PermissionError for any connection."""
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise PermissionError(f"an export is verified offline: {event} {arguments!r}")


if __name__ == "__main__":
    sys.meta_path[:] = [Without(tuple(sys.meta_path))]
    sys.addaudithook(refuse_connections)
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
