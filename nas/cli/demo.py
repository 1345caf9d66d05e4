"""`nas demo`: the whole path on one machine, from nothing to a verified winner."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import resources
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.export import best_trial
from nas.cli.failures import INTERRUPTED, CheckFailed
from nas.cli.options import AsJson
from nas.cli.output import say
from nas.cli.results import further_columns, print_leaderboard
from nas.cli.studies import read_document
from nas.cli.typed import typed
from nas.cli.verify import verify
from nas.cli.watch import follow, outcome
from nas.client import Client
from nas.private_files import private_folder
from nas.problem import StateConflict
from nas.processes import die_with_parent
from nas.store.views import StudyRow
from nas.study import StudyState
from nas.supervisor import NotReady

EXAMPLE = Path(str(resources.files("nas.examples") / "demo.json"))
STOP_SECONDS = 60
ROWS = 20


def demo(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Where the results stay.")] = Path(".nas/demo"),
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Runs at once; default: one per core.")] = None,
    study: Annotated[Path, typer.Option("--study", help="Another study than the example, as JSON.")] = EXAMPLE,
    again: Annotated[bool, typer.Option("--again", help="Run it anew even if it has run here before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the example study from start to a verified winner.

    Starts the service, submits the study over HTTP, shows progress, prints the leaderboard, exports the winner, verifies
    the export, and stops everything. Interrupted, it goes on where it was when it is run again. As JSON it prints what
    watch, top and verify print, one after the other.
    """
    try:
        with _service(data_dir, workers) as nas:
            row = _study(nas, read_document(study), again=again)
            say(f'the study "{row.name}" is {row.state}: {nas.connection.url}/studies/{row.id}')
            row = follow(nas, row, 0, as_json=as_json)
            say(outcome(row))
            if row.state is StudyState.FAILED:
                raise CheckFailed(f"the study failed; the logs are in {data_dir / 'logs'}")
            best = list(islice(nas.leaderboard(row.id), ROWS))
            print_leaderboard(best, as_json, further_columns(nas.study(row.id).spec))
            winner = data_dir / "winner"
            nas.export(row.id, best_trial(nas, row.id), winner, replace=True)
    except KeyboardInterrupt:
        say("\nstopped; run it again to go on")
        raise typer.Exit(INTERRUPTED) from None
    verify(winner, as_json=as_json)
    _say_what_next(data_dir, row)


@contextmanager
def _service(data_dir: Path, workers: int | None) -> Iterator[Client]:
    """A running service of our own; it is stopped at the end, and killed when we are."""
    log = private_folder(data_dir / "logs") / "up.log"
    command = [sys.executable, "-m", "nas.cli", "up", "--data-dir", str(data_dir), "--port", "0", "--json"]
    say(f"starting the service on {data_dir} …")
    with log.open("wb") as talk:
        service = subprocess.Popen(
            command + ([f"--workers={workers}"] if workers else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=talk,
            process_group=0,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    assert service.stdout is not None
    try:
        line = service.stdout.readline()
        if not line:
            raise NotReady(f"the service did not start; it said:\n{log.read_text(errors='replace').strip()}")
        with Client(json.loads(line)["url"], data_dir=data_dir) as nas:
            yield nas
    finally:
        service.terminate()
        service.communicate(timeout=STOP_SECONDS)


def _study(nas: Client, document: dict[str, Any], *, again: bool) -> StudyRow:
    """The document's study: the one that was made here before, unless it failed or `again`; else a new, numbered one."""
    for number in count(1):
        name = document["name"] if number == 1 else f"{document['name']} {number}"
        if again and next(nas.studies(name=name), None) is not None:
            continue
        with suppress(StateConflict):
            row = nas.submit({**document, "name": name})
            if row.state not in (StudyState.FAILED, StudyState.STOPPED):
                return row
    raise AssertionError("count never ends")


def _say_what_next(data_dir: Path, row: StudyRow) -> None:
    say(f"\nthe results stay in {data_dir}: the winner in {data_dir / 'winner'}, logs in {data_dir / 'logs'}")
    say(f"look closer:  {typed('up', data_dir=data_dir)}    then open the page it names")
    say(f"              {typed('top', row.id, data_dir=data_dir)}")
    say(f"your own:     copy {EXAMPLE}, change it, then beside a running service:")
    say(f"              {typed('submit', 'FILE', data_dir=data_dir)}")
