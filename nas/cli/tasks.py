"""`nas tasks`: what architectures are judged by. It needs no service."""

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from nas.catalogues import ProtocolInfo, TaskInfo
from nas.catalogues import protocols as every_protocol
from nas.catalogues import tasks as every_task
from nas.cli.listing import indented, terminal_width
from nas.cli.options import AsJson
from nas.cli.output import print_json, to_data
from nas.errors import NotFound
from nas.tasks.catalogue import CATALOGUE
from search_spaces.reference.fields import FieldText, fields_of


def tasks(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these, with their knobs.")] = None,
    as_json: AsJson = False,
) -> None:
    """List tasks and named protocols.

    With names, every knob of a task and every task of a protocol is told. docs/tasks.md has all of it on one page.
    """
    found = _named(names or [])
    if as_json:
        for one in found:
            print_json(to_data(one))
        return
    width = terminal_width()
    texts = ["\n".join(_text(one, width, whole=bool(names))) for one in found]
    sys.stdout.write("\n\n".join(texts) + "\n")


def _named(names: Iterable[str]) -> list[TaskInfo | ProtocolInfo]:
    """Those with these names, tasks first; all without names. Raises NotFound."""
    everything: list[TaskInfo | ProtocolInfo] = [*every_task(), *every_protocol().presets]
    known = {one.name: one for one in everything}
    wanted = set(names)
    if unknown := sorted(wanted - known.keys()):
        raise NotFound(f"no task or protocol {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return [one for name, one in known.items() if not wanted or name in wanted]


def _text(one: TaskInfo | ProtocolInfo, width: int, *, whole: bool) -> Iterator[str]:
    return _task(one, width, whole=whole) if isinstance(one, TaskInfo) else _protocol(one, width, whole=whole)


def _task(task: TaskInfo, width: int, *, whole: bool) -> Iterator[str]:
    """Its name, what it is, what it reports and where it is published, and on request its knobs."""
    yield task.name
    yield indented(task.title, width)
    beside = f"; beside it {', '.join(task.further_metrics)}" if task.further_metrics else ""
    yield indented(f"metric: {task.metric}, by chance {task.chance:.3g}{beside}", width)
    yield indented(f"source: {task.source}", width)
    if whole:
        yield from (indented(_knob(field), width) for field in fields_of(CATALOGUE[task.name]) if field.name != "name")


def _knob(field: FieldText) -> str:
    return f"{field.name} ({field.allowed}; default {field.default}): {field.meaning}"


def _protocol(info: ProtocolInfo, width: int, *, whole: bool) -> Iterator[str]:
    """Its name, question and size, and on request what each of its tasks is."""
    yield f"{info.name} (protocol)"
    yield indented(" ".join(info.question.split()), width)
    n_tasks, rates = len(info.protocol.tasks), len(info.protocol.learning_rates)
    yield indented(f"{n_tasks} tasks x {rates} learning rates, {info.optimiser_steps:,} steps for an architecture", width)
    if whole:
        labelled = zip(info.task_keys, info.task_labels, strict=True)
        yield from (indented(f"{key}: {label}", width) for key, label in labelled)
