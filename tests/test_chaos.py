"""Kill -9 of every part while a study runs: it ends by itself, no trial is lost, none counts twice."""

import signal
import threading
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest

from nas.run import RunState
from nas.store.views import EventView, TrialView
from nas.study import FINAL_STUDY_STATES, StudyState
from nas.trial import FINAL_TRIAL_STATES
from tests.service import Service, running, tiny_study, wait_for

TRIALS = 16


class Watcher(threading.Thread):
    """Somebody who watches through it all."""

    def __init__(self, service: Service, study_id: str) -> None:
        super().__init__(daemon=True)
        self.service, self.study_id = service, study_id
        self.events: list[EventView] = []

    def run(self) -> None:
        with self.service.client() as nas:
            self.events.extend(nas.watch(self.study_id))


def study_for_chaos() -> dict[str, object]:
    """Long enough to be killed in four ways."""
    document = tiny_study("chaos", budget={"trials": TRIALS}, seed=3)
    document["space"]["genes"] |= {"d_model": [16, 24], "depth": [1, 2, 3]}
    document["protocol"] |= {"rungs": [{"steps": 60}, {"steps": 120}]}
    return document


def kill(process: psutil.Process) -> None:
    process.send_signal(signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)


def wait_for_progress(service: Service, study_id: str) -> None:
    """Until another run has ended."""
    with service.client() as nas:
        before = nas.study(study_id).row.last_event
        wait_for(lambda: nas.study(study_id).row.last_event > before + 2, "the study does not go on", seconds=120)


def is_ready(service: Service) -> bool:
    try:
        return httpx.get(f"{service.url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(300)
def test_study_survives_the_death_of_every_part(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "2", NAS_LEASE_SECONDS="2") as service, service.client() as nas:
        study_id = nas.submit(study_for_chaos()).id
        watcher = Watcher(service, study_id)
        watcher.start()

        wait_for_progress(service, study_id)
        kill(service.child("ray::_Worker.run"))
        wait_for_progress(service, study_id)
        kill(service.child("workers.main"))
        wait_for_progress(service, study_id)
        kill(service.child("uvicorn"))
        kill(service.child("bin/postgres"))
        wait_for(lambda: is_ready(service), "the service does not come back")
        assert nas.study(study_id).row.state not in FINAL_STUDY_STATES, "it was over before everything had been killed"

        watcher.join(timeout=200)
        row = nas.study(study_id).row
        trials = [nas.trial(study_id, trial.number) for trial in nas.trials(study_id)]

    assert (row.state, row.measured, row.progress) == (StudyState.COMPLETED, TRIALS, 1.0)
    assert [trial.row.number for trial in trials] == list(range(len(trials)))
    assert all(trial.row.state in FINAL_TRIAL_STATES for trial in trials)
    for trial in trials:
        check_counts_once(trial)
    assert any(run.state is RunState.LOST or run.failure is not None for trial in trials for run in trial.runs)
    check_events(watcher.events, trials)


def check_counts_once(trial: TrialView) -> None:
    """One accepted result for each rung that was reached, nothing left in flight, attempts without a gap."""
    succeeded = Counter(run.rung for run in trial.runs if run.state is RunState.SUCCEEDED)
    assert set(succeeded.values()) <= {1}
    assert trial.row.rung == max(succeeded, default=None)
    assert all(run.state is not RunState.RUNNING for run in trial.runs)
    for rung in {run.rung for run in trial.runs}:
        attempts = [run.attempt for run in trial.runs if run.rung == rung]
        assert attempts == list(range(1, len(attempts) + 1))


def check_events(events: list[EventView], trials: list[TrialView]) -> None:
    """Whoever watched missed nothing and saw nothing twice."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].data["state"] == "completed"
    successes = Counter(
        (event.data["number"], event.data["rung"])
        for event in events
        if event.kind == "run.ended" and event.data["state"] == "succeeded"
    )
    assert set(successes.values()) == {1}
    assert set(successes) == {
        (trial.row.number, run.rung) for trial in trials for run in trial.runs if run.state is RunState.SUCCEEDED
    }
