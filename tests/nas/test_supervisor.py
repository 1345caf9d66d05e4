"""`nas up` brings everything up, keeps it up, and leaves nothing behind, however it ends."""

import signal
import socket
import stat
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine

from nas.connection import Connection, save_connection
from nas.errors import Invalid
from nas.store.api_keys import authenticate, revoke_key
from nas.store.embedded import EmbeddedPostgres
from nas.supervisor import STOP_POSTGRES, prepare, refuse_remote
from tests.service import Service, command_line, nas, running, wait_for

PARTS = ("postgres", "uvicorn", "workers.main", "raylet", "gcs_server")


def family(service: Service) -> list[psutil.Process]:
    """Every process of the service that lives: the supervisor, its descendants, and the database's."""
    return [psutil.Process(service.process.pid), *psutil.Process(service.process.pid).children(recursive=True)]


def test_up_is_ready_when_it_says_so(service: Service) -> None:
    assert httpx.get(f"{service.url}/readyz").json()["status"] == "ready"
    with service.client() as client:
        assert list(client.studies(name="nothing of this name")) == []


def test_up_runs_every_part_as_its_descendant(service: Service) -> None:
    for part in PARTS:
        assert service.child(part).is_running()


def test_up_listens_on_loopback_only(service: Service) -> None:
    listening = {
        (connection.laddr.ip, process.name())
        for process in family(service)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert all(ip.removeprefix("::ffff:") in ("127.0.0.1", "::1") for ip, _ in listening), listening


def test_key_file_is_its_owners_alone(service: Service) -> None:
    assert stat.S_IMODE((service.data_dir / "key").stat().st_mode) == 0o600


def test_nothing_in_the_data_folder_is_open_to_others(service: Service) -> None:
    wait_for((service.data_dir / "workspace").is_dir, "the driver makes no workspace")
    folders = {path: stat.S_IMODE(path.stat().st_mode) for path in service.data_dir.iterdir() if path.is_dir()}
    assert {path.name for path in folders} >= {"logs", "postgres", "workspace"}
    assert set(folders.values()) == {0o700}
    for name in ("up.lock", "postgres.lock", "ray_token"):
        assert stat.S_IMODE((service.data_dir / name).stat().st_mode) == 0o600


def test_only_the_database_of_the_data_folder_is_stopped_by_its_number(tmp_path: Path) -> None:
    """The number in an old pid file may be another program's by now."""
    pid_file = tmp_path / "postmaster.pid"
    for folder, ends in ((tmp_path / "other", False), (tmp_path, True)):
        with subprocess.Popen(["tail", "-f", "/dev/null", str(folder)], stderr=subprocess.DEVNULL) as process:
            pid_file.write_text(f"{process.pid}\nmore\n")
            subprocess.run(["/bin/sh", "-c", STOP_POSTGRES, str(pid_file)], check=False)
            if not ends:
                assert process.poll() is None
                process.kill()
        assert process.returncode == (-signal.SIGINT if ends else -signal.SIGKILL)


def test_key_is_in_no_log_and_no_command_line(service: Service) -> None:
    secret = (service.data_dir / "key").read_text().strip()
    logs = "".join(path.read_text(errors="replace") for path in (service.data_dir / "logs").glob("*.log"))
    assert secret not in logs
    assert not any(secret in " ".join(process.cmdline()) for process in family(service))


def test_second_up_on_the_same_data_is_refused(service: Service) -> None:
    found = service.nas("up", "--port", "0")
    assert found.returncode == 2
    assert f"already running on {service.data_dir} at {service.url}" in found.stderr


def test_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = nas("up", "--data-dir", str(tmp_path / "d"), "--port", port)
    assert found.returncode == 2
    assert f"port {port}" in found.stderr
    assert not (tmp_path / "d" / "postgres").exists()


def test_prepare_keeps_a_working_key_and_replaces_a_revoked_one(tmp_path: Path, database_url: str, engine: Engine) -> None:
    first = prepare(tmp_path, database_url)
    save_connection(tmp_path, Connection(url="http://127.0.0.1:1", key=first))
    assert prepare(tmp_path, database_url) == first
    revoke_key(engine, authenticate(engine, first).key_id)
    second = prepare(tmp_path, database_url)
    assert second != first
    assert authenticate(engine, second).allows("admin")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_host_that_others_can_reach_needs_a_word(host: str) -> None:
    with pytest.raises(Invalid, match="--allow-remote"):
        refuse_remote(host, allowed=False)
    refuse_remote(host, allowed=True)


def test_sigterm_stops_everything(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "1") as service:
        processes = [*family(service)[1:], service.child("ray::")]
        assert service.stop() == 0
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive
        assert not [process for process in psutil.process_iter() if str(tmp_path) in command_line(process)]


def test_kill_of_the_supervisor_stops_everything(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "1") as service:
        processes = [*family(service)[1:], service.child("ray::")]
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
        # Ray's agents alone take up to a minute, waiting for a server that is dead
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive
    assert EmbeddedPostgres(tmp_path).postmaster_pid() is None
