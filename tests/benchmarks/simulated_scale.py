"""100,000 trials on 1,000 simulated workers: the driver's time per trial, idle workers, memory; 64 studies on 4 drivers.

The simulation drives the real driver. What it takes by the wall clock passes in simulated time too, so that workers wait for
decisions as real ones do. The studies on several drivers are written to a real PostgreSQL.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna
import psutil

from nas.protocol import Protocol, Rung
from nas.run import Finished, Run, RunKey
from nas.simulation.simulate import Record, simulate
from nas.simulation.table import Table
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from nas.study import StudySpec
from tests.benchmarks.control_plane import SPACE
from tests.benchmarks.figure import Figure, Goal, Peer, figure
from tests.nas import pretend
from tests.nas.driving import drive_together, driver, rows, submit

WORKERS, TRIALS = 1_000, 100_000
PROTOCOL = Protocol(rungs=(Rung(steps=100), Rung(steps=300), Rung(steps=900)))
SECONDS = (60.0, 120.0, 360.0)
"""Of a run at each rung, the median: short, so that there is much to decide. One in twenty takes 2.3 times as long."""
N_RESULTS = 4_096
DRIVERS, STUDIES, STUDY_TRIALS = 4, 64, 12


def figures() -> Iterator[Figure]:
    """At most 5 ms for each trial, 2 % of idle time while there are trials, 20 kB for each trial; no run lost or doubled."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield from _simulated()
    yield _together()


def _simulated() -> Iterator[Figure]:
    process = psutil.Process()
    table, study = _table(), _study("scale", TRIALS)
    before, began = process.memory_info().rss, time.perf_counter()
    record = simulate(study, table, n_workers=WORKERS, wall=time.perf_counter)
    seconds, memory = time.perf_counter() - began, process.memory_info().rss - before
    _check(record)
    goal = Goal(of="value", at="most", bound=5)
    yield figure("simulated_scale_driver_time_per_trial", seconds / TRIALS * 1000, "ms", goal, better="lower")
    goal = Goal(of="value", at="most", bound=2)
    idle = record.work.idle(record.work.last_new)
    yield figure("simulated_scale_idle_while_trials_are_left", 100 * idle, "% of the workers' time", goal, better="lower")
    goal = Goal(of="value", at="most", bound=20)
    yield figure("simulated_scale_memory_per_trial", memory / TRIALS / 1000, "kB", goal, better="lower")
    # the last trials have rungs to go when no new ones are left, however quick the driver is
    least = Peer(name="a driver that takes no time", value=100 * simulate(study, table, n_workers=WORKERS).idle)
    goal = Goal(of="ratio", at="least", bound=0.98)
    yield figure(
        "simulated_scale_idle_with_the_end", 100 * record.idle, "% of the workers' time", goal, better="lower", peer=least
    )


def _check(record: Record) -> None:
    states = Counter(trial.state.value for trial in record.trials)
    if states["completed"] + states["pruned"] != TRIALS:
        raise RuntimeError(f"the study ended with {dict(states)}; it should have measured {TRIALS:,} trials")


class _Everybody(Mapping[bytes, int]):
    """Every architecture is a member, with one of the rows of results."""

    def __getitem__(self, digest: bytes) -> int:
        return int.from_bytes(digest[:8], "big") % N_RESULTS

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __len__(self) -> int:
        return SPACE.size()


def _table() -> Table:
    """Scores that rise with the rung and are noisy; durations spread as those of real runs."""
    rng = np.random.default_rng(0)
    shape = (N_RESULTS, len(SECONDS), 3)
    quality = rng.random((N_RESULTS, 1, 1)) * np.array([0.5, 0.8, 1.0])[:, None]
    scores = np.clip(quality + 0.02 * rng.standard_normal(shape), 0, 1)[..., None]
    seconds = np.exp(0.5 * rng.standard_normal(shape)) * np.array(SECONDS)[:, None]
    return Table(
        space=SPACE,
        protocol=PROTOCOL,
        metrics=("score",),
        members=_Everybody(),
        test=scores,
        searched=scores,
        seconds=seconds,
    )


def _study(name: str, trials: int, seed: int = 0) -> StudySpec:
    document = {"name": name, "space": SPACE.to_data(), "protocol": PROTOCOL.to_data(), "seed": seed}
    return StudySpec.from_data({**document, "sampler": {"name": "random"}, "budget": {"trials": trials}})


def _together() -> Figure:
    """Runs evaluated and not written, or written and not evaluated, or evaluated twice; trials too many or too few."""
    evaluated: Counter[RunKey] = Counter()

    def evaluate(run: Run) -> Finished:
        evaluated[run.key] += 1
        return pretend.succeed(run)

    with ExitStack() as stack:
        postgres = EmbeddedPostgres(Path(stack.enter_context(TemporaryDirectory(prefix="nas-benchmark-"))))
        stack.callback(postgres.stop)
        engine = open_engine(postgres.ensure_running())
        stack.callback(engine.dispose)
        migrate(engine)
        for number in range(STUDIES):
            submit(engine, _study(f"study {number}", STUDY_TRIALS, seed=number))
        drivers = [driver(engine, evaluate, n_slots=64, max_studies=STUDIES // DRIVERS) for _ in range(DRIVERS)]
        drive_together(drivers, lambda: not rows(engine, "SELECT 1 FROM nas_study WHERE state <> 'completed'"))
        written = {
            RunKey(*row)
            for row in rows(engine, "SELECT study_id, number, rung, attempt FROM nas_run WHERE state = 'succeeded'")
        }
        [[measured]] = rows(engine, "SELECT sum(measured) FROM nas_study")
    wrong = len(written ^ evaluated.keys()) + sum(evaluated.values()) - len(evaluated) + abs(measured - STUDIES * STUDY_TRIALS)
    goal = Goal(of="value", at="most", bound=0)
    return figure("simulated_scale_runs_lost_or_doubled", wrong, "of 64 studies on 4 drivers", goal, better="lower")
