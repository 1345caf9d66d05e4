"""The command line: `nas COMMAND`. Data goes to stdout, talk to stderr, `--json` prints one JSON object per line.

Each command's module is imported only when that command runs, so that `nas --help` and completion are immediate.
"""

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from typer.core import TyperGroup

from nas.cli.failures import EXIT_CODES, cure_of, exit_code_of
from nas.cli.lazy import LazyCommand
from nas.errors import NasError

SERVICE, STUDY, RESULT = "Service", "Studies", "Results"

COMMANDS = (
    LazyCommand("demo", "nas.cli.demo:demo", "Run the example study from start to a verified winner.", SERVICE),
    LazyCommand("up", "nas.cli.up:up", "Start the whole service on this machine and keep it running.", SERVICE),
    LazyCommand("doctor", "nas.cli.doctor:doctor", "Check this machine and the service; each finding names its cure.", SERVICE),
    LazyCommand("migrate", "nas.cli.migrate:migrate", "Bring the database to this version's schema.", SERVICE),
    LazyCommand("key", "nas.cli.keys:app", "Create, list and revoke API keys.", SERVICE),
    LazyCommand("zoo", "nas.cli.zoo:zoo", "List published architectures, their cost, and what is simplified.", STUDY),
    LazyCommand("primitives", "nas.cli.primitives:primitives", "List what layers are made of, its cost and its knobs.", STUDY),
    LazyCommand("tasks", "nas.cli.tasks:tasks", "List tasks and named protocols.", STUDY),
    LazyCommand("check", "nas.cli.studies:check", "Validate and price a study without creating it.", STUDY),
    LazyCommand("submit", "nas.cli.studies:submit", "Create a study from its JSON document.", STUDY),
    LazyCommand("list", "nas.cli.studies:list_studies", "List your studies.", STUDY),
    LazyCommand("show", "nas.cli.studies:show", "Show where a study stands.", STUDY),
    LazyCommand("watch", "nas.cli.watch:watch", "Follow a study until it ends.", STUDY),
    LazyCommand("pause", "nas.cli.studies:pause", "Start no new runs; those in flight go on.", STUDY),
    LazyCommand("resume", "nas.cli.studies:resume", "Go on with a paused study.", STUDY),
    LazyCommand("stop", "nas.cli.studies:stop", "End a study; what was measured stays.", STUDY),
    LazyCommand("top", "nas.cli.results:top", "Print the leaderboard.", RESULT),
    LazyCommand("trial", "nas.cli.results:trial", "Show one trial of a study.", RESULT),
    LazyCommand("report", "nas.cli.report:report", "Write what a study may claim: a page, its data, and the study.", RESULT),
    LazyCommand(
        "export",
        "nas.cli.export:export",
        "Take home a trial, a zoo entry or any architecture, in a form that other programs load.",
        RESULT,
    ),
    LazyCommand("optuna", "nas.cli.optuna:app", "Take a study to Optuna's tools, or begin one with an Optuna study.", RESULT),
    LazyCommand(
        "simulate", "nas.cli.simulate:simulate_study", "Run a study on a table of known results, in simulated time.", RESULT
    ),
    LazyCommand("table", "nas.cli.table:app", "Make tables of results, for nas simulate.", RESULT),
    LazyCommand("diff", "nas.cli.diff:diff", "Compare two architectures: trials, zoo entries, files.", RESULT),
    LazyCommand(
        "verify",
        "nas.cli.verify:verify",
        "Check an export: every file, the model rebuilt, each form loaded by a fresh process without us, recorded values.",
        RESULT,
    ),
)

EPILOGUE = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

root = typer.Typer(name="nas", epilog=EPILOGUE)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("nas"))
        raise typer.Exit


@root.callback(no_args_is_help=True)
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Neural architecture search for hybrid sequence models."""


def build() -> TyperGroup:
    """The whole command line."""
    group = typer.main.get_command(root)
    assert isinstance(group, TyperGroup)
    for command in COMMANDS:
        group.add_command(command)
    return group


def main() -> None:
    """Run a command; the process ends with its exit code."""
    try:
        build()(prog_name="nas")
    except NasError as error:
        sys.stderr.write(f"{error}{cure_of(error)}\n")
        sys.exit(exit_code_of(error))
