"""The report of a study of 1,000 trials at three rungs, read from the real store: data as one document, and as one page.

Every trial has all rungs, three learning rates, two tasks and loss curves: the most that a study of this size can hold. Then
what takes longest of its statistics: groups of ties among 1,000 trials of three seeds, effects and pairs of 20 genes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from nas.keys import Principal
from nas.protocol import Protocol, Rung
from nas.report.page import page
from nas.report.report import study_report
from nas.samplers import RandomSearch
from nas.statistics.attribution import attribute
from nas.statistics.ties import Scored, tie_groups
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from nas.store.submissions import submit_study
from nas.study import StudySpec, StudyState
from nas.tasks import MQAR
from nas.trial import Trial
from search_spaces.presets import recall_demo
from tests.api.seeding import Driver
from tests.benchmarks.figure import Figure, Goal, figure
from tests.planted import Plan, plant

TRIALS_IN_STUDY = 1000
REPEATS = 3
CURVE_POINTS = 40
OWNER = Principal("benchmark", "benchmark", frozenset({"admin"}))
PROTOCOL = Protocol(tasks=(MQAR(), MQAR(n_pairs=4)), rungs=(Rung(steps=100), Rung(steps=300), Rung(steps=900, replicas=3)))


def figures() -> Iterator[Figure]:
    """Under 10 seconds on a machine that does nothing else; of processor time where it does."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="nas-benchmark-")))
        postgres = EmbeddedPostgres(folder)
        stack.callback(postgres.stop)
        engine = open_engine(postgres.ensure_running())
        stack.callback(engine.dispose)
        migrate(engine)
        spec = StudySpec(name="a thousand", space=recall_demo(), protocol=PROTOCOL, sampler=RandomSearch())
        study_id = submit_study(engine, OWNER, spec).study_id
        driver = Driver(engine, study_id)
        driver.become(StudyState.RUNNING)
        plan = Plan(truth=_truth, n_trials=TRIALS_IN_STUDY, confirmed=5, fresh=4, noise=0.03, curve_points=CURVE_POINTS)
        plant(driver, plan)
        driver.become(StudyState.COMPLETED)
        wall, processor = zip(
            *(_seconds(lambda: page(study_report(engine, OWNER, study_id))) for _ in range(REPEATS)), strict=True
        )
        yield figure("report_1000_trials", median(wall), "s", Goal(of="value", at="most", bound=10), better="lower")
        yield figure(
            "report_1000_trials_processor", median(processor), "s", Goal(of="value", at="most", bound=10), better="lower"
        )
    yield from _statistics()


def _statistics() -> Iterator[Figure]:
    """Processor seconds for 1,000 trials."""
    random = np.random.default_rng(0)
    trials = [Scored(tuple(at + 0.01 * random.normal(size=3))) for at in range(TRIALS_IN_STUDY)]
    params = [{f"gene_{gene}": int(random.integers(4)) for gene in range(20)} for _ in range(TRIALS_IN_STUDY)]
    scores = [0.1 * float(one["gene_0"]) + 0.02 * random.normal() for one in params]
    _, ties = _seconds(lambda: tie_groups(trials))
    _, genes = _seconds(lambda: attribute(params, scores))
    yield figure("ties_1000_trials", ties, "CPU s", Goal(of="value", at="most", bound=1), better="lower")
    yield figure("attribution_1000_trials_20_genes", genes, "CPU s", Goal(of="value", at="most", bound=2), better="lower")


def _truth(trial: Trial) -> float:
    return 0.3 + 0.4 * float(trial.params["attention_ratio"]) + 0.0001 * (trial.number % 1000)


def _seconds(call: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of this process's processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor
