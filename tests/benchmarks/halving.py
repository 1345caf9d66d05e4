"""Successive halving at a tenth of the cost of full-budget random search, on our own table of hybrids.

Random search trains each of its models to the end. The others begin at the lowest rung, and the best quarter of them go on.
Both are the real driver in simulated time; a trial sees one of the measured seeds. Quality is the regret: what the true score
of the model taken home lacks of the best in the table. Cost is optimiser steps, all tasks together.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from nas.simulation.regret import regret
from nas.simulation.simulate import simulate
from nas.study import StudySpec
from tests.benchmarks import hybrids
from tests.benchmarks.figure import Figure, Goal, Peer, figure
from tests.benchmarks.hybrids import TABLE

REPEATS = 100
FIRST_SEED = 10_000
"""The samplers' defaults were chosen with others, and on another table."""
RANDOM_TRIALS = 100
SHARE = 10
"""The searches with halving get so many times less than random search."""
MARGIN = 0.01
"""So much more regret is the same quality: a third of the error that the seeds leave on a true score of the table."""
ETA = 4
REPLICAS = (1, 1, 3)
"""Of each rung: one seed is enough to be left behind, all of them choose the winner."""
SEARCHES = ("random", "evolution", "model_guided")

Array = NDArray[np.float64]


def figures(table: Path = TABLE) -> Iterator[Figure]:
    """At a tenth of the cost one of our searches with halving is as good as random search without."""
    with ProcessPoolExecutor() as pool:
        seeds = range(FIRST_SEED, FIRST_SEED + REPEATS)
        whole = np.array(list(pool.map(partial(full_budget, table), seeds, chunksize=5)))
        for name in SEARCHES:
            halved = np.array(list(pool.map(partial(at_a_share, table, name), seeds, chunksize=5)))
            yield _figure(name, halved, whole)


def full_budget(table: Path, seed: int) -> float:
    """The regret of random search."""
    spec = _spec(table, "random", RANDOM_TRIALS, halved=False)
    return float(_regrets(table, spec, seed)[1][-1])


def at_a_share(table: Path, sampler: str, seed: int) -> float:
    """The regret of a search with halving when it has spent its share of what random search spends."""
    protocol = hybrids.read(table).protocol
    last = protocol.rungs[-1]
    budget = RANDOM_TRIALS * len(protocol.tasks) * last.steps * last.replicas // SHARE
    costs, regrets = _regrets(table, _spec(table, sampler, RANDOM_TRIALS, halved=True), seed)
    return float(regrets[np.searchsorted(costs, budget, side="right") - 1])


def _regrets(table: Path, spec: StudySpec, seed: int) -> tuple[Array, Array]:
    """What was spent, and the regret then, after each evaluation."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = hybrids.table(table)
    record = simulate(spec, known, seed=seed)
    return np.array([each.cost for each in record.evaluations], dtype=np.float64), regret(record, known)


def _spec(table: Path, sampler: str, trials: int, *, halved: bool) -> StudySpec:
    """One seed a trial, at every rung or at the last alone."""
    document = hybrids.read(table)
    protocol: dict[str, Any] = document.protocol.to_data()
    rungs = protocol["rungs"][-1:]
    if halved:
        rungs = [{**rung, "replicas": replicas} for rung, replicas in zip(protocol["rungs"], REPLICAS, strict=True)]
    protocol["rungs"] = rungs
    return StudySpec.from_data(
        {
            "name": f"{sampler} {'with' if halved else 'without'} halving",
            "space": document.space.to_data(),
            "protocol": protocol,
            "sampler": {"name": sampler},
            "halving": {"eta": ETA} if halved else None,
            "budget": {"trials": trials},
        }
    )


def _figure(name: str, halved: Array, whole: Array) -> Figure:
    error = 1.96 * stdev((halved - whole).tolist()) / math.sqrt(len(halved))
    return figure(
        f"halving_{name}_at_a_tenth_of_the_cost",
        fmean(halved),
        f"of regret (difference ± {error:.4f})",
        Goal(of="value", at="most", bound=fmean(whole) + MARGIN),
        better="lower",
        peer=Peer(name="full-budget random search", value=fmean(whole)),
    )
