"""Commands about tables of results: export."""

import sys
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import AsJson, DataDir, Url
from nas.cli.output import plain, print_json, say
from nas.client import Client
from nas.errors import Conflict
from nas.simulation.measured import Source, table_of_studies, timed_where_measured
from nas.trial import TrialState

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make tables of results, for nas simulate.")


@app.callback()
def _group() -> None:
    """Make tables of results, for nas simulate."""


@app.command()
def export(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Ids or names; several add up their seeds.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write, a .json.")],
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write what finished studies measured at every rung as a table.

    Several studies must differ in their seeds alone. Trials that did not pass all rungs are left out.
    """
    with Client(url, data_dir=data_dir) as nas:
        sources = [_source(nas, study) for study in studies]
    document = table_of_studies(sources)
    text = document.text()
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Conflict(f"cannot write {out}: {error.strerror}; give another file with --out") from error
    n_trials = max(len(source.trials) for source in sources)
    n_members, n_seeds = len(document.members), len(document.members[0].seconds[0])
    if as_json:
        print_json({"file": str(out), "members": n_members, "trials": n_trials, "seeds": n_seeds, "bytes": len(text)})
        return
    sys.stdout.write(f"{plain(out)}\n")
    rungs = len(document.protocol.rungs)
    say(f"{n_members:,} of {n_trials:,} architectures, {rungs} rungs, {n_seeds} seeds, {len(text) / 1000:,.0f} kB")


def _source(nas: Client, study: str) -> Source:
    """The search's own trials that were measured."""
    view = nas.study(study)
    own = [row for row in nas.trials(study) if row.reference is None and row.state not in _UNTRAINED]
    find = cache(nas.trial)
    return Source(view.spec, [timed_where_measured(nas.trial(study, row.number), find) for row in own])


_UNTRAINED = (TrialState.DUPLICATE, TrialState.INFEASIBLE)
