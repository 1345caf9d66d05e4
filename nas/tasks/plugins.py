"""Tasks of installed packages: entry points of the group `nas.tasks`, each naming a subclass of `Task`.

A package that is broken stops the start with an error that names it: a study that asks for its task could not be judged, and
one that does not would not be told. docs/tasks.md shows a whole package.
"""

import re
from collections.abc import Collection, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from nas.errors import Invalid
from nas.tasks.task import Task

GROUP = "nas.tasks"

_PLACE = re.compile(r"[\w.]+:\w+")


class BrokenPlugin(Invalid):
    """An installed package has a task that cannot be used."""


def installed(taken: Collection[str]) -> dict[str, type[Task]]:
    """Tasks of installed packages by name, in the order of their names. Raises `BrokenPlugin`."""
    return collected(entry_points(group=GROUP), taken)


def collected(points: Iterable[EntryPoint], taken: Collection[str]) -> dict[str, type[Task]]:
    """The tasks that entry points name; `taken` are names that others have."""
    found: dict[str, type[Task]] = {}
    packages: dict[str, str] = {}
    for point in sorted(points, key=lambda point: (point.name, _package(point))):
        if point.name in taken:
            raise _broken(point, "the service has a task of that name; rename it")
        if point.name in found:
            raise _broken(point, f"the package {packages[point.name]!r} has a task of that name; uninstall one of them")
        found[point.name], packages[point.name] = _task(point), _package(point)
    return found


def _task(point: EntryPoint) -> type[Task]:
    try:
        task = point.load()
    except Exception as error:
        raise _broken(point, f"{point.value} cannot be imported ({type(error).__name__}: {error})") from error
    problem = _problem(task, point.name)
    if problem:
        raise _broken(point, f"{point.value} {problem}")
    assert isinstance(task, type)
    return task


def _problem(task: Any, name: str) -> str | None:
    """Why what an entry point names is no task that can be used; None when it is one."""
    if not (isinstance(task, type) and issubclass(task, Task)):
        return "is no subclass of nas.tasks.Task"
    field = task.model_fields.get("name")
    if field is None or field.default != name:
        return f'must have a field `name: Literal["{name}"] = "{name}"`, as its entry point is called'
    missing = [words for words in ("title", "source", "metric", "higher_is_better") if not hasattr(task, words)]
    if missing:
        return f"lacks {missing[0]}"
    if not _PLACE.fullmatch(task.generator):
        return 'must say where its generator is: `generator: ClassVar[str] = "package.module:Class"`'
    if any(field.is_required() for field in task.model_fields.values()):
        return "must have a default for every field"
    return None


def _broken(point: EntryPoint, reason: str) -> BrokenPlugin:
    return BrokenPlugin(f"the installed package {_package(point)!r} has a broken task {point.name!r}: {reason}")


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "(unknown)"
