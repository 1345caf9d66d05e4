"""The spine: submit over HTTP, watch, leaderboard, export, verify, with nothing standing in for anything."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nas.run import Finished, Result
from nas.study import StudyState
from nas.trial import FINAL_TRIAL_STATES, TrialState
from tests.corpora import story
from tests.service import Service, nas, running, tiny_study


def test_study_goes_from_submission_to_a_verified_winner(service: Service, tmp_path: Path) -> None:
    with service.client() as nas:
        study = nas.submit(tiny_study("end to end"))
        events = list(nas.watch(study.id))
        ended = nas.study(study.id)
        trials = list(nas.trials(study.id))
        leaderboard = list(nas.leaderboard(study.id))
        front = nas.pareto(study.id)
        winner = next(nas.leaderboard(study.id, reference=False)).trial
        nas.export(study.id, winner.number, tmp_path / "winner")

    assert ended.row.state is StudyState.COMPLETED
    assert ended.row.progress == 1.0
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (events[-1].kind, events[-1].data["state"]) == ("study.state", "completed")
    assert all(trial.state in FINAL_TRIAL_STATES for trial in trials)
    assert [trial.reference for trial in trials if trial.reference] == ["transformer"]
    scored = {trial.number for trial in trials if trial.score is not None}
    assert {row.trial.number for row in leaderboard} == scored
    assert [row.rank for row in leaderboard] == list(range(1, len(leaderboard) + 1))
    assert len(scored) >= 4
    assert any(trial.state is TrialState.COMPLETED for trial in trials)
    assert front[0].pareto
    assert winner.rung == 1

    verified = service.nas("verify", str(tmp_path / "winner"), "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert '"failed"' not in verified.stdout
    provenance = json.loads((tmp_path / "winner" / "provenance.json").read_text())
    assert provenance["digests"]["architecture"] == winner.architecture_digest


def test_exported_run_repeats_the_recorded_score(service: Service, tmp_path: Path) -> None:
    """A trial that was promoted: what resumed from a checkpoint equals what `run.json` trains from nothing."""
    with service.client() as nas:
        study = nas.submit(tiny_study("repeat"))
        list(nas.watch(study.id))
        winner = next(nas.leaderboard(study.id, reference=False)).trial
        nas.export(study.id, winner.number, tmp_path / "winner")
    subprocess.run(
        [sys.executable, "-m", "workers.evaluate", "winner/run.json", "--out", "again.json"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    again = Finished.from_json((tmp_path / "again.json").read_text()).result
    recorded = Result.from_json((tmp_path / "winner" / "result.json").read_text())
    assert winner.rung == 1
    assert again is not None
    assert [task.values for task in again.tasks] == [task.values for task in recorded.tasks]


def test_users_corpus_is_searched_and_verified_where_it_lies(tmp_path: Path) -> None:
    corpora, bundle = tmp_path / "corpora", tmp_path / "winner"
    corpora.mkdir()
    (corpora / "book.txt").write_text(story(100))
    text = {"name": "bytes_lm", "corpus": "book.txt", "sequence_length": 16, "n_validation": 16, "n_test": 16}
    study = tiny_study("text", references=[], budget={"trials": 1})
    study["space"]["input"]["vocab_size"] = 256
    study["protocol"] |= {"tasks": [text], "rungs": [{"steps": 2}]}
    with (
        TemporaryDirectory(prefix="nas-test-") as folder,
        running(Path(folder), "--workers", "1", NAS_DATA_ROOT=str(corpora)) as service,
        service.client() as client,
    ):
        submitted = client.submit(study)
        list(client.watch(submitted.id))
        client.export(submitted.id, 0, bundle)

    value = "bytes_lm bits_per_byte"
    given = {
        "none": nas("verify", str(bundle), "--json"),
        "option": nas("verify", str(bundle), "--data-root", str(corpora), "--json"),
        "setting": nas("verify", str(bundle), "--json", NAS_DATA_ROOT=str(corpora)),
    }
    assert [found.returncode for found in given.values()] == [0, 0, 0]
    checks = {how: json.loads(line) for how, found in given.items() for line in found.stdout.splitlines()}
    found = {how: {check["name"]: check["status"] for check in document["checks"]} for how, document in checks.items()}
    assert {how: statuses[value] for how, statuses in found.items()} == {"none": "not checked", "option": "ok", "setting": "ok"}
    assert nas("verify", str(bundle), "--data-root", str(tmp_path / "nowhere")).returncode == 2


def test_open_stream_does_not_hold_up_the_end() -> None:
    """The API ends by itself: a killed one could not say that it did."""
    with (
        TemporaryDirectory(prefix="nas-test-") as folder,
        running(Path(folder), "--workers", "1") as service,
        service.client() as client,
    ):
        study = client.submit(tiny_study("endless", budget={"trials": 1000}))
        events = client.watch(study.id)
        next(events)
        assert service.stop() == 0
        log = (Path(folder) / "logs" / "api.log").read_text()
    assert "Finished server process" in log
