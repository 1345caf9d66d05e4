"""`nas simulate`: a study on a table of known results, in seconds."""

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Annotated, Final, cast

import numpy as np
import optuna
import typer
from optuna.samplers import BaseSampler

from nas.baselines import companions
from nas.cli.options import AsJson
from nas.cli.output import print_json, print_table, say
from nas.cli.studies import read_document
from nas.errors import Invalid
from nas.quantities import short_count
from nas.simulation.files import read_table
from nas.simulation.regret import regret
from nas.simulation.simulate import OwnSampler, Record, simulate
from nas.simulation.table import Table
from nas.statistics.intervals import mean_interval
from nas.study import StudyState
from nas.submission import parse_spec

RANDOM: Final = "random"
COLUMNS: Final = {
    "sampler": "left",
    "best found": "right",
    "regret": "right",
    "95 % interval": "left",
    "steps": "right",
    "seconds": "right",
    "idle": "right",
    "ask ms": "right",
    "99 %": "right",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Means over repeats. found: the true score of what is taken home; regret: how far it is below the best of the table.

    regret_low, regret_high: its 95 % interval over repeats, None for one. steps: optimiser steps; seconds, idle: of simulated
    time; ask_ms and slow_ask_ms: what the sampler takes for a proposal, the median and the slowest one in a hundred, None where
    it was never asked, since a warm start had the whole budget.
    """

    sampler: str
    repeats: int
    found: float
    regret: float
    regret_low: float | None
    regret_high: float | None
    steps: float
    seconds: float
    idle: float
    ask_ms: float | None
    slow_ask_ms: float | None


def simulate_study(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The study as JSON; - reads standard input.")],
    table: Annotated[Path, typer.Option("--table", help="What every architecture was measured at: CSV, JSON or Parquet.")],
    repeats: Annotated[
        int, typer.Option("--repeats", "-n", min=1, help="Simulate with so many seeds, from the study's on.")
    ] = 1,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Simulated workers.")] = 1,
    sampler: Annotated[
        str | None, typer.Option("--sampler", help="package.module:factory, called with a seed; returns an Optuna sampler.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a study on a table of known results, in simulated time.

    The real driver; random search and the study's baselines with the same budget beside it. It needs no service.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec = parse_spec(read_document(file))
    own, found = load_sampler(sampler) if sampler else None, read_table(table, spec)
    arms = {sampler or spec.sampler.name: partial(simulate, spec, found, n_workers=workers, sampler=own)}
    yardsticks = companions(spec.model_copy(update={"baselines": tuple(sorted({RANDOM, *spec.baselines}))}))
    for yardstick in yardsticks:
        arms.setdefault(yardstick.sampler.name, partial(simulate, yardstick, found, n_workers=workers))
    seeds = range(spec.seed, spec.seed + repeats)
    outcomes = [_outcome(name, found, [run(seed=seed) for seed in seeds]) for name, run in arms.items()]
    if as_json:
        for outcome in outcomes:
            print_json(asdict(outcome))
        return
    print_table(COLUMNS, map(_cells, outcomes))
    say(f"the best of {len(found):,} architectures has a true score of {found.with_rungs(spec.protocol).best:.4f}")


def load_sampler(place: str) -> OwnSampler:
    """The factory at `package.module:factory`, looked up in the current folder too. Raises `Invalid`."""
    module, _, attribute = place.partition(":")
    sys.path.insert(0, "")
    try:
        factory = getattr(import_module(module), attribute)
        sampler = factory(0)
    except Exception as error:
        raise Invalid(f"--sampler {place}: {type(error).__name__}: {error}; give package.module:factory") from error
    finally:
        sys.path.remove("")
    if not isinstance(sampler, BaseSampler):
        raise Invalid(f"--sampler {place}: factory(0) is {type(sampler).__name__}, not an optuna.samplers.BaseSampler")
    return cast(OwnSampler, factory)


def _outcome(sampler: str, table: Table, records: Sequence[Record]) -> Outcome:
    """Raises `Invalid` for a study that did not come to its end, or takes nothing home."""
    stuck = next((record for record in records if record.state is not StudyState.COMPLETED), None)
    if stuck is not None:
        raise Invalid(f"the simulated study is {stuck.state}: {stuck.reason}")
    regrets = [float(regret(record, table)[-1]) for record in records]
    n_without = sum(map(math.isinf, regrets))
    if n_without:
        raise Invalid(
            f"{sampler}: no trial kept the constraints in {n_without:,} of {len(records):,} repeats, so there is no regret;"
            " loosen the constraints on what is measured, or give budget.trials more"
        )
    interval = mean_interval(regrets) if len(regrets) > 1 else None
    asks = np.concatenate([record.ask_seconds for record in records]) * 1000
    return Outcome(
        sampler=sampler,
        repeats=len(records),
        found=table.with_rungs(records[0].spec.protocol).best - fmean(regrets),
        regret=fmean(regrets),
        regret_low=max(0.0, interval.low) if interval else None,
        regret_high=interval.high if interval else None,
        steps=fmean(record.evaluations[-1].cost for record in records),
        seconds=fmean(record.seconds for record in records),
        idle=fmean(record.idle for record in records),
        ask_ms=float(np.median(asks)) if asks.size else None,
        slow_ask_ms=float(np.quantile(asks, 0.99)) if asks.size else None,
    )


def _cells(outcome: Outcome) -> tuple[object, ...]:
    low, high = outcome.regret_low, outcome.regret_high
    return (
        outcome.sampler,
        f"{outcome.found:.4f}",
        f"{outcome.regret:.4f}",
        "-" if low is None or high is None else f"{low:.4f} to {high:.4f}",
        short_count(round(outcome.steps)),
        short_count(round(outcome.seconds)),
        f"{outcome.idle:.1%}",
        _milliseconds(outcome.ask_ms),
        _milliseconds(outcome.slow_ask_ms),
    )


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
