"""Commands about studies: check, submit, list, show, pause, resume, stop."""

import sys
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from nas.cli.documents import read_object
from nas.cli.options import AsJson, DataDir, StudyArgument, Url
from nas.cli.output import print_fields, print_json, print_table, say, score_text, to_data
from nas.cli.typed import typed
from nas.client import Client
from nas.pricing import Quote
from nas.quantities import short_count
from nas.store.views import Companion, StudyRow
from nas.study import FINAL_STUDY_STATES, StudyState

SpecFile = Annotated[Path, typer.Argument(metavar="FILE", help="The study as JSON; - reads standard input.")]


def check(file: SpecFile, url: Url = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Validate and price a study without creating it.

    Prints the size of the space, the range of costs in it, and what the study will run.
    """
    with Client(url, data_dir=data_dir) as nas:
        quote = nas.check(read_document(file))
    if as_json:
        print_json(to_data(quote))
        return
    print_fields(
        {
            "space": f"{short_count(quote.space_size)} assignments of genes",
            **{title: _range(name, quote) for name, title in _COSTS.items()},
            "largest": f"no member has more than {quote.params_bound:,} parameters",
            "feasible": f"{quote.feasible_share:.0%} of sampled members keep the constraints, at the cost to compare at",
            "runs": f"{quote.planned_runs:,} planned, at most {quote.runs:,}",
            "optimiser steps": f"{quote.planned_steps:,} planned, at most {quote.optimiser_steps:,}",
        }
    )
    for note in quote.notes:
        say(f"warm start: {note}")
    say(f"valid; create it with: {typed('submit', str(file), url=url, data_dir=data_dir)}")


def submit(
    file: SpecFile,
    name: Annotated[str | None, typer.Option("--name", help="Use this name instead of the document's.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option("--baseline", help="A search to run beside it with the same budget: random or local_search."),
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option("--warm-start", metavar="STUDY", help="Begin with the best 10 trials of this study.")
    ] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="Default: the document's hash.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a study from its JSON document.

    Sending the same document again is safe: it names the study that it made before.
    """
    changed = {"name": name, "baselines": baseline, "warm_start": {"study": warm_start} if warm_start else None}
    document = read_document(file) | {field: value for field, value in changed.items() if value}
    with Client(url, data_dir=data_dir) as nas:
        study, found = nas.submit_or_find(document, key)
        notes = nas.study(study.id).spec.warm_start.notes if "warm_start" in document else ()
        where = nas.connection.url
    if as_json:
        print_json(to_data(study))
        return
    sys.stdout.write(f"{study.id}\n")
    say(f'the study "{study.name}" is {"already there, " if found else ""}{study.state}: {where}/studies/{study.id}')
    for one in study.baselines:
        say(f'beside it runs "{one.name}": {where}/studies/{one.id}')
    for note in notes:
        say(f"warm start: {note}")
    if found and study.state in FINAL_STUDY_STATES:
        say("the same document names the same study; for another one add: --name NAME")
    else:
        say(f"follow it with: {typed('watch', study.id, url=url, data_dir=data_dir)}")


def list_studies(
    state: Annotated[list[StudyState] | None, typer.Option("--state", help="Only these states; may be given again.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")] = 50,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List your studies.

    Newest first; an administrator's key sees everybody's.
    """
    with Client(url, data_dir=data_dir) as nas:
        rows = list(islice(nas.studies(states=tuple(state or ())), limit))
    if as_json:
        for row in rows:
            print_json(to_data(row))
        return
    print_table(
        {"id": "left", "name": "left", "state": "left", "measured": "right", "best": "right", "created": "left"},
        (
            (row.id, row.name, row.state, f"{row.measured}/{row.budget}", score_text(row.best_score), _moment(row.created_at))
            for row in rows
        ),
    )


def show(study: StudyArgument, url: Url = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show where a study stands."""
    with Client(url, data_dir=data_dir) as nas:
        found = nas.study(study)
    if as_json:
        print_json(to_data(found))
        return
    print_fields(_standing(found.row))


def pause(study: StudyArgument, url: Url = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Start no new runs; those in flight go on."""
    with Client(url, data_dir=data_dir) as nas:
        row = nas.pause(study)
    _print_wish(row, as_json, "it will start no new runs; go on with:", typed("resume", row.id, url=url, data_dir=data_dir))


def resume(study: StudyArgument, url: Url = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Go on with a paused study."""
    with Client(url, data_dir=data_dir) as nas:
        row = nas.resume(study)
    _print_wish(row, as_json, "it goes on; follow it with:", typed("watch", row.id, url=url, data_dir=data_dir))


def stop(study: StudyArgument, url: Url = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """End a study; what was measured stays."""
    with Client(url, data_dir=data_dir) as nas:
        row = nas.stop(study)
    _print_wish(
        row,
        as_json,
        "runs in flight end, then it is final; see what it found with:",
        typed("top", row.id, url=url, data_dir=data_dir),
    )


def read_document(file: Path) -> dict[str, Any]:
    """The study in a file or on standard input. Raises `Invalid` with line and column."""
    return read_object(file, "a study, such as nas/examples/demo.json,")


_COSTS = {
    "params": "parameters",
    "active_params": "parameters per token",
    "flops_per_token": "FLOPs per token",
    "state_bytes": "decode state, bytes",
}


def _range(name: str, quote: Quote) -> str:
    least, most = (short_count(getattr(cost, name)) for cost in (quote.least, quote.most))
    return least if least == most else f"{least} to {most}"


def _print_wish(row: StudyRow, as_json: bool, outlook: str, command: str) -> None:
    if as_json:
        print_json(to_data(row))
    else:
        say(f'the study "{row.name}": {outlook} {command}')


def _standing(row: StudyRow) -> dict[str, object]:
    return {
        "study": row.name,
        "id": row.id,
        "owner": row.owner,
        "state": row.state + (f": {row.reason}" if row.reason else ""),
        "wish": row.wish,
        "measured": f"{row.measured} of {row.budget} trials ({row.progress:.0%})",
        "trials": ", ".join(f"{count} {state}" for state, count in sorted(row.counts.items())) or "none yet",
        "best": "-" if row.best_score is None else f"{row.best_score:.4f} (trial {row.best_number})",
        **({"baseline of": f"{row.accompanies.name} ({row.accompanies.id})"} if row.accompanies else {}),
        **({"baselines": "; ".join(map(_beside, row.baselines))} if row.baselines else {}),
        "driver": "at work" if row.driver_alive else "none has it now",
        "created": _moment(row.created_at),
        "started": _moment(row.started_at),
        "ended": _moment(row.ended_at),
    }


def _beside(one: Companion) -> str:
    return f"{one.name} ({one.id}), {one.state}, {one.measured} of {one.budget} trials measured"


def _moment(at: datetime | None) -> str:
    return "-" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
