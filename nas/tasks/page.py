"""docs/tasks.md: every task, named protocols, and how an installed package brings a task of its own."""

from collections.abc import Iterator
from inspect import cleandoc, getdoc
from pathlib import Path

from nas.protocol import Protocol
from nas.protocol_presets import PRESETS
from nas.tasks import BUILT_IN
from nas.tasks.task import Task
from search_spaces.reference.fields import fields_of
from search_spaces.reference.markdown import block, code, link, sourced, table, text

INTRODUCTION = """\
# What architectures are judged by

Written by `make docs` from the code: do not edit.

A *task* is a generator of data and a metric, a pure function of its settings and a seed. Every architecture of a study sees the
same data. Each task has sequences of its own to train on, to choose the learning rate by (validation) and to report (test); its
*score* is the metric on a scale where 1 is perfect and 0 is worthless. *Chance* is what a predictor gets that has learnt
nothing. What a task reports beside its metric can be an objective, a constraint or a column under `TASK/METRIC`, such as
`mqar/macro_accuracy`."""

OWN = """\
## A task of your own

An installed package brings tasks by entry points of the group `nas.tasks`: each names a subclass of `nas.tasks.Task`, which
names its generator. The service and its workers must both have the package; the service never imports the generator. The
entry point is called as the task's `name`. A package that cannot be used stops the start with an error that names it.

This is a whole package, kept in [docs/example_task](example_task); `pip install ./docs/example_task` makes
`{"protocol": {"tasks": [{"name": "parity"}]}}` work."""

FILES = {"pyproject.toml": "toml", "parity_task.py": "python", "parity_generator.py": "python"}


def page(example: Path) -> str:
    """The Markdown; `example` is the folder of the example package."""
    sections = [
        INTRODUCTION,
        _overview(),
        *(_task(name, task) for name, task in BUILT_IN.items()),
        _protocols(),
        OWN,
        *(f"`{name}`:\n\n{block((example / name).read_text().strip(), language)}" for name, language in FILES.items()),
    ]
    return "\n\n".join(sections) + "\n"


def _overview() -> str:
    rows = (
        (link(name, name), text(task.title), code(task.metric), f"{task.from_data({}).chance():.3g}", sourced(task.source))
        for name, task in BUILT_IN.items()
    )
    return "## All tasks\n\n" + table(("task", "what it is", "metric", ">chance", "source"), rows)


def _task(name: str, task: type[Task]) -> str:
    """What it asks for, what it reports, and its knobs."""
    default = task.from_data({})
    beside = [f"{code(metric.name)} ({text(metric.title.lower())})" for metric in default.further_metrics()]
    better = "higher" if task.higher_is_better else "lower"
    reports = [f"Metric: {code(task.metric)}, {better} is better"] + ([f"beside it {', '.join(beside)}"] if beside else [])
    rows = (
        (code(field.name), text(field.allowed), text(field.default), sourced(field.meaning))
        for field in fields_of(task)
        if field.name != "name"
    )
    paragraphs = [
        f"## {name}",
        f"**{text(task.title)}**",
        sourced(cleandoc(task.__doc__ or "")),
        f"{'; '.join(reports)}. Chance: {default.chance():.3g}. {text(' '.join((getdoc(task.chance) or '').split()))}",
        table(("knob", "values", "default", "meaning"), rows),
        f"Source: {sourced(task.source)}.",
    ]
    return "\n\n".join(paragraphs)


def _protocols() -> str:
    words = (
        'A study says `{"protocol": {"preset": NAME}}`, or writes a protocol out; `nas tasks NAME` lists what is in one.'
        " Where a task comes several times, reports name the settings in which its members differ.\n\n"
    )
    return "## Named protocols\n\n" + words + table(("protocol", "what it is", ">tasks", "steps", "learning rates"), _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    for name, build in PRESETS.items():
        protocol: Protocol = build()
        steps = ", ".join(f"{rung.steps:,}" for rung in protocol.rungs)
        rates = ", ".join(f"{rate:g}" for rate in protocol.learning_rates)
        yield code(name), sourced(" ".join((getdoc(build) or "").split())), str(len(protocol.tasks)), steps, rates
