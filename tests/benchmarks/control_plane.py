"""Durable trials per second when evaluating costs nothing, against Optuna's RDBStorage; what a finished trial leaves in memory.

Both sides take turns on one PostgreSQL, propose at random from one space, and record a score for every rung that is reached.
"""

import gc
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import optuna
import psycopg
from sqlalchemy import Engine, make_url

from nas.driver import Driver
from nas.keys import Principal
from nas.samplers import RandomSearch
from nas.store.driver_store import PostgresDriverStore
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine, parse_url
from nas.store.migrate import migrate
from nas.store.reads import get_study
from nas.store.submissions import submit_study
from nas.study import Budget, StudySpec
from search_spaces.space import Space
from tests.benchmarks.figure import Figure, Goal, Peer, figure
from tests.inline_executor import InlineExecutor
from tests.nas import pretend

ROUNDS = 3
TRIALS = 1_000
PEER_TRIALS = 40
SLOTS = 64
WARM_TRIALS, MEASURED_TRIALS = 1_000, 2_000
OWNER = Principal("benchmark", "benchmark", frozenset({"admin"}))

SPACE = Space(
    name="about twenty genes",
    genes={
        "d_model": (32, 64),
        "depth": (4, 6, 8),
        "placement": ("interleaved", "bottom", "middle", "top"),
        "attention_ratio": (0.25, 0.5, 0.75),
        "fusion": ("serial", "parallel_add", "parallel_norm_mean"),
        "linear_mixer": ("mamba2", "gated_deltanet"),
        "n_heads": (2, 4),
        "n_kv_heads": (1, 2, "all"),
        "window": (0, 64, 128),
        "rope": (True, False),
        "qk_norm": (True, False),
        "linear_heads": (2, 4, 8),
        "state_size": (8, 16, 32),
        "expand": (1, 2),
        "conv_width": (2, 4),
        "channel": ("dense", "moe"),
        "ffn_ratio": (1.0, 2.0, 4.0),
        "n_experts": (4, 8),
        "top_k": (1, 2),
        "balance": ("loss", "bias"),
    },
)


def figures() -> Iterator[Figure]:
    """At least 20 times the trials per second of RDBStorage, at most 20 kB for each finished trial."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(Path(stack.enter_context(TemporaryDirectory(prefix="nas-benchmark-"))))
        stack.callback(postgres.stop)
        engine = open_engine(postgres.ensure_running())
        stack.callback(engine.dispose)
        migrate(engine)
        yield _throughput(engine, _peer_storage(postgres.url))
        yield _memory(engine)


def _throughput(engine: Engine, peer: optuna.storages.RDBStorage) -> Figure:
    ours, theirs = [], []
    for turn in range(ROUNDS):
        start = time.perf_counter()
        driver = _driver(engine)
        study_id = _submit(engine, f"throughput {turn}", TRIALS)
        driver.step()
        while study_id in driver.studies:
            driver.step()
        ours.append(TRIALS / (time.perf_counter() - start))
        theirs.append(PEER_TRIALS / _peer_seconds(peer))
    return figure(
        "control_plane_durable_trials",
        median(ours),
        "trials/s",
        Goal(of="ratio", at="least", bound=20),
        better="higher",
        peer=Peer(name="Optuna RDBStorage", value=median(theirs)),
    )


def _memory(engine: Engine) -> Figure:
    """What stays allocated in the driver's process between two moments of one long study."""
    study_id = _submit(engine, "memory", WARM_TRIALS + MEASURED_TRIALS + SLOTS)
    driver = _driver(engine)
    first = _step_until(engine, driver, study_id, WARM_TRIALS)
    gc.collect()
    tracemalloc.start()
    last = _step_until(engine, driver, study_id, WARM_TRIALS + MEASURED_TRIALS)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    driver.release()
    goal = Goal(of="value", at="most", bound=20)
    return figure("control_plane_memory_per_trial", grown / (last - first) / 1000, "kB", goal, better="lower")


def _step_until(engine: Engine, driver: Driver, study_id: str, n_trials: int) -> int:
    while (measured := get_study(engine, OWNER, study_id).row.measured) < n_trials:
        driver.step()
    return measured


def _driver(engine: Engine) -> Driver:
    return Driver(
        store=PostgresDriverStore(engine),
        executor=InlineExecutor(pretend.succeed, SLOTS),
        clock=time,
        driver_id="benchmark",
        lease_seconds=60.0,
        max_params=10**9,
    )


def _submit(engine: Engine, name: str, trials: int) -> str:
    spec = StudySpec(name=name, space=SPACE, sampler=RandomSearch(), budget=Budget(trials=trials))
    return submit_study(engine, OWNER, spec).study_id


def _peer_storage(url: str) -> optuna.storages.RDBStorage:
    """Optuna's tables in a database of their own on the same server, with a pooled engine as ours is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE peer")
    peer_url = parse_url(make_url(url).set(database="peer").render_as_string(hide_password=False))
    return optuna.storages.RDBStorage(peer_url.render_as_string(hide_password=False))


def _peer_seconds(storage: optuna.storages.RDBStorage) -> float:
    """Ask, the same suggestions, a report for each rung (every third trial reaches the second), tell."""
    start = time.perf_counter()
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize")
    for number in range(PEER_TRIALS):
        trial = study.ask()
        SPACE.suggest(trial)
        for rung in range(2 if number % 3 == 0 else 1):
            trial.report(0.5, step=rung)
        study.tell(trial, 0.5)
    return time.perf_counter() - start
