"""Generators of tasks that installed packages bring (`nas.tasks.plugins`)."""

from importlib import import_module
from pathlib import Path

from nas.errors import Invalid
from nas.tasks import Task
from workers.tasks.generator import Generator


def build(task: Task, seed: int, data_root: Path | None) -> Generator:
    """The class that the task's `generator` names, called with all that a generator may need. Raises `Invalid`."""
    module, _, name = task.generator.partition(":")
    try:
        made = getattr(import_module(module), name)(task, seed, data_root)
    except Invalid:
        raise
    except Exception as error:
        raise Invalid(f"the generator of {task.name}, {task.generator}, failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, Generator):
        raise Invalid(f"the generator of {task.name}, {task.generator}, is no workers.tasks.Generator")
    return made
