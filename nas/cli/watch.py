"""`nas watch`: a study's events as they happen; a progress bar where there is a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from nas.cli.failures import INTERRUPTED, CheckFailed
from nas.cli.options import AsJson, DataDir, StudyArgument, Url
from nas.cli.output import plain, print_json, say, score_text, stderr, to_data
from nas.cli.typed import typed
from nas.client import Client
from nas.store.views import EventView, StudyRow
from nas.study import FINAL_STUDY_STATES, StudyState
from nas.trial import TrialState

REFRESH_SECONDS = 1.0
TICKS = 1000
QUIET = frozenset({"run.started", "trial.proposed", "trial.state"})
"""Kinds that move the bar and are not worth a line of their own."""

_TOLD = ("score", "summary", "reference", "twin", "reason")

Show = Callable[[EventView], None]


def watch(
    study: StudyArgument,
    since: Annotated[
        int | None, typer.Option("--since", min=0, help="Begin after this event; default: now; 0 for all.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Follow a study until it ends.

    Ends with 0 when the study completed or was stopped, 1 when it failed. Ctrl-C only ends the watching.
    """
    with Client(url, data_dir=data_dir) as nas:
        row = nas.study(study).row
        try:
            row = follow(nas, row, row.last_event if since is None else since, as_json=as_json)
        except KeyboardInterrupt:
            again = typed("watch", row.id, url=url, data_dir=data_dir)
            say(f'\nno longer watching; the study "{row.name}" goes on. Watch again with: {again}')
            raise typer.Exit(INTERRUPTED) from None
    say(outcome(row))
    for one in row.baselines:
        say(f'its baseline "{one.name}" is {one.state}: {one.measured} of {one.budget} trials measured')
        if one.state not in FINAL_STUDY_STATES:
            say(f"follow it with: {typed('watch', one.id, url=url, data_dir=data_dir)}")
    if row.state is StudyState.FAILED:
        raise CheckFailed(f"see why with: {typed('show', row.id, url=url, data_dir=data_dir)}")


def follow(nas: Client, row: StudyRow, after: int, *, as_json: bool) -> StudyRow:
    """Show events after number `after` until the study is final; returns how it ended."""
    with _display(nas, row, as_json=as_json) as show:
        for event in nas.watch(row.id, after):
            show(event)
    return nas.study(row.id).row


def outcome(row: StudyRow) -> str:
    """How a study stands, in a sentence."""
    best = f"; best score {row.best_score:.4f} (trial {row.best_number})" if row.best_score is not None else ""
    reason = f" ({row.reason})" if row.reason else ""
    infeasible = row.counts.get(TrialState.INFEASIBLE, 0)
    broken = f", {infeasible:,} infeasible" if infeasible else ""
    return f'the study "{row.name}" is {row.state}{reason}: {row.measured} of {row.budget} trials measured{broken}{best}'


def describe(event: EventView) -> str:
    """One line: the moment, of what, what happened, and what is known about it."""
    data = event.data
    words = [f"trial {data['number']}" if "number" in data else "study"]
    words += [f"rung {data['rung']}"] if "rung" in data else []
    words += [str(data.get("state") or data.get("wish") or event.kind.partition(".")[2])]
    words += [f"{name} {_value(data[name])}" for name in _TOLD if name in data]
    return plain(f"{event.at.astimezone():%H:%M:%S}  {'  '.join(words)}")


def _value(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@contextmanager
def _display(nas: Client, row: StudyRow, *, as_json: bool) -> Iterator[Show]:
    if as_json:
        yield lambda event: print_json(to_data(event))
    elif stderr.is_terminal:
        with _progress() as progress:
            yield _Bar(nas, row, progress).show
    else:
        yield lambda event: _print_line(event)


def _print_line(event: EventView) -> None:
    sys.stdout.write(f"{describe(event)}\n")
    sys.stdout.flush()


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr, refresh_per_second=4)


class _Bar:
    """The share of the budget that is spent, and lines above it for what is worth telling."""

    def __init__(self, nas: Client, row: StudyRow, progress: Progress) -> None:
        self._nas, self._row, self._progress = nas, row, progress
        self._task = progress.add_task(_caption(row), total=TICKS, completed=_ticks(row))
        self._refreshed = time.monotonic()

    def show(self, event: EventView) -> None:
        """Tell about one event."""
        if event.kind not in QUIET:
            self._progress.console.print(describe(event), markup=False)
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._row = self._nas.study(self._row.id).row
            self._progress.update(self._task, description=_caption(self._row), completed=_ticks(self._row))
            self._refreshed = time.monotonic()


def _ticks(row: StudyRow) -> int:
    return int(row.progress * TICKS)


def _caption(row: StudyRow) -> str:
    running = row.counts.get(TrialState.RUNNING, 0)
    return plain(f"{row.name}: {row.measured}/{row.budget} trials, {running} running, best {score_text(row.best_score)}")
