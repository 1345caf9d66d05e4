"""Commands about results: top (the leaderboard) and trial."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer
from rich.text import Text

from nas.cli.options import AsJson, DataDir, StudyArgument, Url
from nas.cli.output import plain, print_fields, print_json, print_rows_with_lines, print_table, say, score_text, to_data
from nas.client import Client
from nas.ledger import RateRow, rate_rows
from nas.metrics import LATENCY_METRICS, METRICS, Metric, reported_metrics
from nas.objectives import objectives_of
from nas.quantities import measured, short_count, short_number
from nas.report.document import is_doubtful
from nas.run import Result, TaskResult
from nas.store.reads import SortName
from nas.store.views import LeaderboardRow, RunView, TrialRow, TrialView
from nas.study import StudySpec

SHOWN = ("score", "params", "flops_per_token")
"""Metrics that have a column whatever the objectives are."""
UNITS = METRICS | LATENCY_METRICS
COLUMNS = {
    "rank": "right",
    "trial": "right",
    "score": "right",
    "95 % interval": "left",
    "group": "right",
    "rung": "right",
    "params": "right",
    "FLOPs": "right",
    "state": "left",
    "front": "left",
    "architecture": "left",
}


def top(
    study: StudyArgument,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many rows.")] = 20,
    sort: Annotated[SortName, typer.Option("--sort", help="The column to order by.")] = "rank",
    descending: Annotated[bool, typer.Option("--descending", help="Turn the order round.")] = False,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="A bound such as 'params<=5e6'; may be given again.")
    ] = None,
    pareto: Annotated[bool, typer.Option("--pareto", help="Only trials on the Pareto front.")] = False,
    references: Annotated[bool | None, typer.Option("--references/--no-references", help="Only references, or none.")] = None,
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Print the leaderboard.

    An interval covers seeds where it names them, else only the draw of the test set. Leaders of one group are not told apart
    by the data. `*` marks the Pareto front, `ref` an architecture from the literature.
    """
    with Client(url, data_dir=data_dir) as nas:
        found = nas.leaderboard(
            study,
            sort=sort,
            descending=descending,
            where=tuple(where or ()),
            reference=references,
            pareto=pareto or None,
        )
        rows = list(islice(found, limit))
        found_study = None if as_json or not rows else nas.study(study)
        print_leaderboard(rows, as_json, further_columns(found_study.spec) if found_study else ())
        for comparison in nas.baselines(study) if found_study and found_study.row.baselines else ():
            say(comparison.headline)
        for rung in nas.calibration(study):
            if is_doubtful(rung):
                say(f"note: {rung.warning}")


def trial(
    study: StudyArgument,
    number: Annotated[int, typer.Argument(min=0, help="The trial's number.")],
    url: Url = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one trial of a study.

    Architecture, gene values, costs, and every attempt at every rung.
    """
    with Client(url, data_dir=data_dir) as nas:
        found = nas.trial(study, number)
    if as_json:
        print_json(to_data(found))
        return
    _print_trial(found)


def print_leaderboard(rows: list[LeaderboardRow], as_json: bool, further: Sequence[Metric] = ()) -> None:
    """The rows as a table, with further metrics beside their costs, or one JSON object each."""
    columns = _columns(further)
    if as_json:
        for row in rows:
            print_json(to_data(row))
    elif rows and sys.stdout.isatty():
        # an architecture is longer than a terminal is wide, and the numbers must not give way to it
        numbers = dict(list(columns.items())[:-1])
        print_rows_with_lines(
            numbers, (_numbers(row, further) for row in rows), (str(_architecture(row.trial)) for row in rows)
        )
    elif rows:
        print_table(columns, ((*_numbers(row, further), _architecture(row.trial)) for row in rows))
    else:
        say("nothing has a score yet")


def _columns(further: Sequence[Metric]) -> dict[str, str]:
    costs = list(COLUMNS.items())
    place = list(COLUMNS).index("state")
    return dict([*costs[:place], *((metric.name, "right") for metric in further), *costs[place:]])


def _numbers(row: LeaderboardRow, further: Sequence[Metric]) -> tuple[object, ...]:
    trial = row.trial
    return (
        row.rank,
        trial.number,
        score_text(trial.score),
        interval_text(trial),
        "" if row.group is None else row.group,
        trial.rung,
        short_count(trial.cost.params),
        short_count(trial.cost.flops_per_token),
        *(metric_text(metric, trial) for metric in further),
        trial.state,
        "*" if trial.pareto else "",
    )


def further_columns(spec: StudySpec) -> tuple[Metric, ...]:
    """The objectives that have no column of their own."""
    return tuple(metric for metric in objectives_of(spec) if metric.name not in SHOWN)


def metric_text(metric: Metric, trial: TrialRow) -> str:
    """A trial's value, short; a dash where it has none yet."""
    if metric.exact:
        return short_count(getattr(trial.cost, metric.name))
    value = trial.metrics.get(metric.name)
    return "-" if value is None else short_number(value)


def _architecture(trial: TrialRow) -> Text:
    return Text.assemble((f"ref {trial.reference}: " if trial.reference else "", "bold"), plain(trial.summary))


def interval_text(trial: TrialRow) -> str:
    """The 95 % interval, with the number of seeds where it covers them. It is not symmetric where the scale ends."""
    if trial.score_low is None or trial.score_high is None:
        return ""
    seeds = f", {trial.n_replicas} seeds" if trial.interval == "replicas" else ""
    return f"{trial.score_low:.3f} to {trial.score_high:.3f}{seeds}"


def _print_trial(found: TrialView) -> None:
    row = found.row
    print_fields(
        {
            "trial": f"{row.number}" + (f", reference {row.reference}" if row.reference else ""),
            "architecture": row.summary,
            "digest": row.architecture_digest,
            "state": row.state + (f": {row.reason}" if row.reason else ""),
            "score": score_text(row.score),
            "95 % interval": interval_text(row) or "-",
            "on the front": "yes" if row.pareto else "no",
            "parameters": f"{row.cost.params:,} ({row.cost.active_params:,} per token)",
            "FLOPs per token": f"{row.cost.flops_per_token:,}",
            "decode state": f"{row.cost.state_bytes:,} bytes per sequence",
            **{name: short_number(value) for name, value in sorted(row.metrics.items()) if name != "score"},
            **{f"gene {name}": value for name, value in found.params.items()},
        }
    )
    for run in found.runs:
        _print_run(run)
    if found.result is not None:
        _print_result(found.result)


def _print_result(result: Result) -> None:
    """What each learning rate gave, then every metric."""
    for task in result.tasks:
        _print_rates(task, rate_rows(result).get(task.task, ()))
    metrics = {name: value for name, value in reported_metrics(result).items() if name != "score"}
    print_fields({name: measured(value, UNITS[name].unit if name in UNITS else "") for name, value in metrics.items()})


def _print_rates(task: TaskResult, rates: Sequence[RateRow]) -> None:
    spread = "" if task.sensitivity is None else f", spread over the rates {task.sensitivity:.4f}"
    columns = {
        "learning rate": "right",
        "validation": "right",
        "test": "right",
        "runs": "right",
        "diverged": "right",
        "": "left",
    }
    rows = [
        (
            f"{rate.learning_rate:g}",
            score_text(rate.validation),
            score_text(rate.test),
            rate.n_runs,
            rate.n_diverged,
            _marks(rate),
        )
        for rate in rates
    ]
    if rows:
        print_table(columns, rows, f"{task.task}, {task.metric}{spread}")


def _marks(rate: RateRow) -> str:
    return "chosen, edge of grid" if rate.edge_of_grid else "chosen" if rate.chosen else ""


def _print_run(run: RunView) -> None:
    outcome = run.reason or ""
    if run.failure is not None:
        outcome = f"{run.failure.kind}: {run.failure.message} {run.failure.hint}"
    if run.result is not None:
        tasks = ", ".join(f"{task.task} {task.score:.4f} at learning rate {task.learning_rate:g}" for task in run.result.tasks)
        outcome = f"{tasks}; {run.result.measurement.wall_seconds:.1f} s on {run.result.measurement.device}"
    print_fields({f"rung {run.rung} attempt {run.attempt}": f"{run.state}. {outcome}".rstrip(". ")})
