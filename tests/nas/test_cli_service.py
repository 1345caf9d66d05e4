"""The command line against the real service: data on stdout, talk on stderr, documented exit codes."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas.cli.results import interval_text
from nas.export.manifest import Trained, read_manifest
from nas.report.document import Report
from nas.store.views import StudyRow
from tests.service import Service, finished, tiny_study


@pytest.fixture
def done(service: Service) -> StudyRow:
    return finished(service)


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(tiny_study("finished")))
    return path


def test_check_says_size_costs_and_runs(service: Service, study_file: Path) -> None:
    found = service.nas("check", str(study_file))
    assert found.returncode == 0
    assert "9 assignments" in found.stdout
    assert "100% of sampled members" in found.stdout
    assert "7 planned, at most 10" in found.stdout
    assert f"-m nas.cli submit {study_file}" in found.stderr
    priced = json.loads(service.nas("check", str(study_file), "--json").stdout)
    assert (priced["space_size"], priced["planned_runs"], priced["runs"]) == (9, 7, 10)
    steps = f"{priced['planned_steps']:,} planned, at most {priced['optimiser_steps']:,}"
    assert steps in found.stdout


def test_a_baseline_is_submitted_shown_and_stopped_with_its_study(service: Service, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps(tiny_study("paired", sampler={"name": "tpe"})))
    refused = service.nas("submit", str(tmp_path / "study.json"), "--baseline", "luck")
    assert refused.returncode == 2
    assert "/baselines/0" in refused.stderr
    made = service.nas("submit", str(tmp_path / "study.json"), "--baseline", "random")
    assert made.returncode == 0
    assert 'beside it runs "paired · random"' in made.stderr
    study_id = made.stdout.strip()
    service.nas("stop", study_id)
    row = json.loads(service.nas("show", study_id, "--json").stdout)["row"]
    (beside,) = row["baselines"]
    assert json.loads(service.nas("show", beside["id"], "--json").stdout)["row"]["wish"] == "stop"
    assert f"paired ({study_id})" in service.nas("show", beside["id"]).stdout
    watched = service.nas("watch", study_id)
    assert 'its baseline "paired · random" is stop' in watched.stderr


def test_check_names_the_wrong_field_and_ends_with_2(service: Service, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps(tiny_study("bad", bugdet={})))
    found = service.nas("check", str(tmp_path / "study.json"))
    assert (found.returncode, found.stdout) == (2, "")
    assert "/bugdet" in found.stderr
    assert "did you mean 'budget'?" in found.stderr


def test_submit_prints_the_id_alone_and_the_next_command(service: Service, done: StudyRow, study_file: Path) -> None:
    found = service.nas("submit", str(study_file))
    assert (found.returncode, found.stdout) == (0, f"{done.id}\n")
    assert 'the study "finished" is already there, completed' in found.stderr
    assert "--name NAME" in found.stderr
    anew = service.nas("submit", str(study_file), "--name", "anew")
    assert "already there" not in anew.stderr
    assert f"-m nas.cli watch {anew.stdout.strip()}" in anew.stderr
    service.nas("stop", "anew")


def test_list_and_show_tell_where_a_study_stands(service: Service, done: StudyRow) -> None:
    listing = service.nas("list").stdout
    assert done.id in listing
    assert "measured" in listing.splitlines()[0]
    listed = [json.loads(line) for line in service.nas("list", "--state", "completed", "--json").stdout.splitlines()]
    assert done.id in {row["id"] for row in listed}
    shown = service.nas("show", "finished").stdout
    assert "measured  4 of 4 trials (100%)" in shown
    assert json.loads(service.nas("show", done.id, "--json").stdout)["row"]["state"] == "completed"


def test_top_prints_the_leaderboard(service: Service, done: StudyRow) -> None:
    rows = [json.loads(line) for line in service.nas("top", done.id, "--json").stdout.splitlines()]
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    lines = service.nas("top", done.id).stdout.splitlines()
    assert lines[0].split()[:3] == ["rank", "trial", "score"]
    assert len(lines) == len(rows) + 1
    assert sum("ref transformer" in line for line in lines) == 1
    assert len(service.nas("top", done.id, "-n", "2").stdout.splitlines()) == 3
    only = service.nas("top", done.id, "--where", "params<=1", "--json")
    assert (only.returncode, only.stdout) == (0, "")


def test_top_keeps_its_numbers_on_a_narrow_terminal(service: Service, done: StudyRow) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "nas.cli", "top", done.id, "--data-dir", str(service.data_dir)]
    subprocess.run(command, stdout=theirs, env={**os.environ, "COLUMNS": "80"}, check=True)
    os.close(theirs)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    with service.client() as nas:
        for row in nas.leaderboard(done.id):
            assert interval_text(row.trial) in shown
            assert row.trial.summary in " ".join(shown.split())
    assert "…" not in shown
    assert max(map(len, shown.splitlines()[1:])) <= 80


def test_report_writes_a_page_its_data_and_the_study(service: Service, done: StudyRow, tmp_path: Path) -> None:
    found = service.nas("report", "finished", "--out", str(tmp_path / "out"))
    names = ("report.html", "report.json", "study.json")
    assert (found.returncode, found.stdout.split()) == (0, [str(tmp_path / "out" / name) for name in names])
    assert "was not measured again on fresh seeds" in found.stderr
    written = Report.from_json((tmp_path / "out" / "report.json").read_bytes())
    assert (written.study.id, written.winner is not None, written.spent.runs > 0) == (done.id, True, True)
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")
    # the study that repeats it is whole and valid; its name is taken here
    assert service.nas("check", str(tmp_path / "out" / "study.json")).returncode == 0


def test_report_prints_a_document_instead(service: Service, done: StudyRow) -> None:
    assert Report.from_json(service.nas("report", done.id, "--json").stdout).study.id == done.id
    assert service.nas("report", done.id, "--html").stdout.startswith("<!doctype html>")
    both = service.nas("report", done.id, "--html", "--json")
    assert (both.returncode, both.stdout) == (2, "")


def test_trial_shows_every_attempt(service: Service, done: StudyRow) -> None:
    found = service.nas("trial", done.id, "0").stdout
    assert "reference transformer" in found
    assert "rung 1 attempt 1" in found
    assert json.loads(service.nas("trial", done.id, "0", "--json").stdout)["row"]["reference"] == "transformer"


def test_watch_replays_and_ends_with_the_outcome(service: Service, done: StudyRow) -> None:
    found = service.nas("watch", "finished", "--since", "0", "--json")
    assert found.returncode == 0
    events = [json.loads(line) for line in found.stdout.splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert 'the study "finished" is completed' in found.stderr
    assert service.nas("watch", done.id).stdout == ""


def test_watch_draws_a_bar_where_there_is_a_terminal(service: Service, done: StudyRow) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "nas.cli", "watch", done.id, "--since", "0", "--data-dir", str(service.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as watching:
        os.close(theirs)
        data, _ = watching.communicate(timeout=60)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert data == b""
    assert "finished: 4/4 trials" in shown
    assert "100%" in shown
    assert "score" in shown


def test_ctrl_c_detaches_from_watch_and_the_study_goes_on(service: Service) -> None:
    with service.client() as nas:
        study = nas.submit(tiny_study("watched", budget={"trials": 1000}))
        command = [sys.executable, "-m", "nas.cli", "watch", study.id, "--since", "0"]
        environ = {**os.environ, "NAS_DATA_DIR": str(service.data_dir)}
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            assert "submitted" in watching.stdout.readline()
            watching.send_signal(signal.SIGINT)
            _, talk = watching.communicate(timeout=30)
        assert watching.returncode == 130
        assert "goes on" in talk
        assert nas.study(study.id).row.wish == "run"
        assert service.nas("pause", study.id).returncode == 0
        assert json.loads(service.nas("stop", "watched", "--json").stdout)["wish"] == "stop"
        assert service.nas("resume", study.id).returncode == 2
        list(nas.watch(study.id))


def test_export_takes_the_best_trial_and_never_overwrites(service: Service, done: StudyRow, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    found = service.nas("export", "finished", "--out", str(out))
    assert (found.returncode, found.stdout) == (0, f"{out}\n"), found.stderr
    provenance = json.loads((out / "provenance.json").read_text())
    assert provenance["trial"]["reference"] is None
    again = service.nas("export", "finished", "--out", str(out))
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert f"-m nas.cli verify {out}" in found.stderr
    forced = service.nas("export", done.id, "--trial", "0", "--out", str(out), "--force", "--json")
    assert json.loads(forced.stdout)["trial"] == 0
    assert json.loads((out / "provenance.json").read_text())["trial"]["reference"] == "transformer"


def test_export_takes_a_trial_in_other_forms_and_sizes(service: Service, done: StudyRow, tmp_path: Path) -> None:
    native, large = tmp_path / "native", tmp_path / "large"
    found = service.nas("export", "finished/0", "--format", "native", "--out", str(native))
    assert (found.returncode, found.stdout) == (0, f"{native}\n")
    assert 'trial 0 of "finished" is in' in " ".join(found.stderr.split())
    origin = read_manifest(native).origin
    assert origin == Trained(study=done.id, trial=0, rung=1, task="mqar")
    said = service.nas("export", "finished", "--trial", "0", "--scale-to", "20M", "--out", str(large), "--json")
    assert json.loads(said.stdout)["scaling"]["params"] == pytest.approx(20e6, rel=0.02)
    assert not list(large.glob("*.safetensors"))
    digest = read_manifest(native).architecture_digest
    assert service.nas("export", digest[:16], "--format", "config", "--out", str(tmp_path / "config")).returncode == 0
    assert read_manifest(tmp_path / "config").architecture_digest == digest


def test_export_says_every_reason_of_the_service(service: Service, done: StudyRow, tmp_path: Path) -> None:
    arguments = ("export", done.id, "--trial", "0", "--format", "native", "--out", str(tmp_path / "out"))
    refused = service.nas(*arguments, "--task", "bytes")
    assert (refused.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "no task 'bytes'; it has mqar" in " ".join(refused.stderr.split())
    refused = service.nas(*arguments, "--scale-to", "1")
    assert (refused.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "cannot be scaled" in refused.stderr
    with service.client() as client:
        conv = next(row.trial.number for row in client.leaderboard(done.id) if "conv" in row.trial.summary)
    said = service.nas("export", done.id, "--trial", str(conv), "--format", "native", "--json", "--out", str(tmp_path / "out"))
    assert said.returncode == 2
    assert {"llama", "jamba"} <= {reason["target"] for reason in json.loads(said.stdout)["reasons"]}
    assert "jamba: " in said.stderr


def test_verify_fails_for_changed_weights(service: Service, done: StudyRow, tmp_path: Path) -> None:
    service.nas("export", done.id, "--out", str(tmp_path / "bundle"))
    weights = tmp_path / "bundle" / "weights" / "mqar.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    found = service.nas("verify", str(tmp_path / "bundle"))
    assert found.returncode == 1
    assert "weights/mqar.safetensors" in found.stdout


def test_key_is_shown_once_and_works_until_revoked(service: Service) -> None:
    made = json.loads(service.nas("key", "create", "alice", "--access", "read", "--json").stdout)
    assert service.nas("list", NAS_API_KEY=made["token"], NAS_URL=service.url).returncode == 0
    assert service.nas("key", "list", NAS_API_KEY=made["token"], NAS_URL=service.url).returncode == 3
    listing = service.nas("key", "list").stdout
    assert made["key_id"] in listing
    assert made["token"] not in listing
    assert json.loads(service.nas("key", "revoke", made["key_id"], "--json").stdout) == {"key_id": made["key_id"]}
    assert service.nas("list", NAS_API_KEY=made["token"], NAS_URL=service.url).returncode == 3


@pytest.mark.parametrize(
    "arguments", [("show", "nobody"), ("trial", "finished", "999"), ("export", "finished", "--trial", "999")]
)
@pytest.mark.usefixtures("done")
def test_what_is_not_there_ends_with_4(service: Service, arguments: tuple[str, ...]) -> None:
    assert service.nas(*arguments).returncode == 4


def test_doctor_is_content_with_a_running_service(service: Service) -> None:
    found = service.nas("doctor")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "BAD" not in found.stdout


def test_login_link_is_for_a_person_at_a_terminal_only(service: Service, server_folder: Path) -> None:
    assert "/login#" not in (service.data_dir / "up.log").read_text()
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "nas.cli", "up", "--port", "0", "--workers", "1", "--data-dir", str(server_folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as serving:
        os.close(theirs)
        shown = ""
        while "Ctrl-C" not in shown:
            shown += os.read(terminal, 1 << 16).decode()
        serving.terminate()
        serving.wait(60)
    os.close(terminal)
    key, url = ((server_folder / name).read_text().strip() for name in ("key", "url"))
    assert f"{url}/login#{key}" in shown
    assert f"submit FILE --data-dir {server_folder}" in shown


def test_table_export_writes_what_simulate_reads(service: Service, done: StudyRow, study_file: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    found = service.nas("table", "export", done.id, "--out", str(table), "--json")
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert (said["file"], said["trials"], said["seeds"]) == (str(table), 4, 1)
    simulated = service.nas("simulate", str(study_file), "--table", str(table), "--json")
    assert simulated.returncode == 0, simulated.stderr
    # the only sampler of the study is random, and what it finds is a member
    assert json.loads(simulated.stdout)["regret"] >= 0
    assert service.nas("table", "export", done.id, "--out", str(tmp_path / "no" / "table.json")).returncode == 2
