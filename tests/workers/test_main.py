"""The driver's process on a real database and a real Ray, with a study small enough to train."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil

from nas.keys import Principal
from nas.protocol import Protocol, Recipe, Rung
from nas.samplers import RandomSearch
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from nas.store.reads import get_study
from nas.store.submissions import submit_study
from nas.study import Budget, StudySpec
from nas.tasks import MQAR
from search_spaces.space import Space
from tests.nas.driving import rows

ME = Principal("key", "me", frozenset({"admin"}))
SPEC = StudySpec(
    name="small",
    space=Space(name="small", genes={"d_model": (16, 32), "depth": (1, 2), "n_heads": (2,), "state_size": (4, 8)}),
    protocol=Protocol(
        tasks=(MQAR(),), rungs=(Rung(steps=2), Rung(steps=4)), learning_rates=(1e-3,), recipe=Recipe(batch_size=4)
    ),
    sampler=RandomSearch(),
    budget=Budget(trials=3),
)


@contextmanager
def driver_process(database_url, data_dir):
    environ = {"NAS_DATABASE_URL": database_url, "NAS_DATA_DIR": str(data_dir), "NAS_WORKERS": "1", "NAS_LEASE_SECONDS": "5"}
    with (data_dir / "driver.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.main"], env={**os.environ, **environ}, stderr=log, stdout=log, process_group=0
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(met, log, seconds=90):
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def test_driver_process_runs_a_study_and_ends_on_sigterm(empty_database_url, tmp_path):
    """It waits for the schema, is stopped in the middle of the study, and a second one finishes it."""
    engine, log = open_engine(empty_database_url), tmp_path / "driver.log"
    with driver_process(empty_database_url, tmp_path) as process:
        wait_until(lambda: "schema is not there" in log.read_text(), log)
        migrate(engine)
        study_id = submit_study(engine, ME, SPEC).study_id
        wait_until(lambda: get_study(engine, ME, study_id).row.measured >= 1, log)
        below = psutil.Process(process.pid).children(recursive=True)
        assert any(child.name().startswith("ray::") for child in below)
        assert not any("NAS_DATABASE_URL" in child.environ() for child in below), "the database is the driver's alone"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    assert rows(engine, "SELECT lease_driver FROM nas_study WHERE state NOT IN ('completed')") in ([], [(None,)])
    with driver_process(empty_database_url, tmp_path):
        wait_until(lambda: get_study(engine, ME, study_id).row.state == "completed", log)
    assert {run.state for run in rows(engine, "SELECT state FROM nas_run")} <= {"succeeded", "lost"}
    assert "trial.proposed" in log.read_text()
    engine.dispose()
