"""The embedded server, killed and started in the places where servers are killed and started."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from nas.errors import StoreUnavailable
from nas.store.embedded import EmbeddedPostgres


@pytest.fixture
def server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(server_folder / "data")
    yield made
    made.stop()


def _kill(server: EmbeddedPostgres) -> int:
    pid = server.postmaster_pid()
    assert pid is not None
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    # nobody may be there to reap it, so a zombie counts as gone
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        pass
    return pid


def _store_a_row(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (x int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def _rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        assert row is not None
        return int(row[0])


def test_embedded_server_starts_once_and_keeps_its_rows_over_a_stop(server: EmbeddedPostgres) -> None:
    _store_a_row(server.ensure_running())
    pid = server.postmaster_pid()
    server.ensure_running()
    assert server.postmaster_pid() == pid
    server.stop()
    assert server.postmaster_pid() is None
    assert _rows(server.ensure_running()) == 1


def test_embedded_server_killed_is_started_again_with_its_rows(server: EmbeddedPostgres) -> None:
    url = server.ensure_running()
    _store_a_row(url)
    for kills in range(1, 4):
        killed = _kill(server)
        assert server.postmaster_pid() is None
        assert server.ensure_running() == url
        assert server.postmaster_pid() != killed
        assert _rows(url) == kills
        _store_a_row(url)


def test_embedded_server_killed_with_a_query_running_is_started_again(server: EmbeddedPostgres) -> None:
    url = server.ensure_running()
    _store_a_row(url)
    with psycopg.connect(url) as busy:
        running = threading.Thread(target=_ignore_loss, args=(busy, "SELECT pg_sleep(60)"))
        running.start()
        _kill(server)
        server.ensure_running()
        running.join(timeout=30)
        assert not running.is_alive()
    assert _rows(url) == 1


def _ignore_loss(connection: psycopg.Connection, query: str) -> None:
    try:
        connection.execute(query)
    except psycopg.OperationalError:
        connection.close()


def test_embedded_server_starts_when_its_old_number_belongs_to_another_process(server: EmbeddedPostgres) -> None:
    _store_a_row(server.ensure_running())
    killed = _kill(server)
    for lock in (server.pgdata / "postmaster.pid", *server.pgdata.glob(".s.PGSQL.*.lock")):
        lock.write_text(lock.read_text().replace(str(killed), str(os.getpid()), 1))
    assert server.postmaster_pid() is None
    assert _rows(server.ensure_running()) == 1


@pytest.mark.parametrize("content", ["", "nonsense\n"], ids=["empty", "nonsense"])
def test_embedded_server_starts_over_a_broken_lock_file(server: EmbeddedPostgres, content: str) -> None:
    server.ensure_running()
    server.stop()
    (server.pgdata / "postmaster.pid").write_text(content)
    assert _reachable(server.ensure_running())


@pytest.mark.parametrize(
    "folder",
    ["with two  spaces", "it's, 100% \N{SNOWMAN}", "long" * 20 + "/" + "longer" * 20],
    ids=["spaces", "punctuation", "long"],
)
def test_embedded_server_lives_in_any_folder(server_folder: Path, folder: str) -> None:
    server = EmbeddedPostgres(server_folder / folder)
    try:
        assert _reachable(server.ensure_running())
    finally:
        server.stop()
    left = Path(str(make_url(server.url).query["host"]))
    assert left == server.pgdata or not left.exists()


def _reachable(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_embedded_server_is_started_once_by_many_at_once(server: EmbeddedPostgres) -> None:
    urls: list[str] = []
    starters = [threading.Thread(target=lambda: urls.append(server.ensure_running())) for _ in range(8)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert urls == [server.url] * 8
    assert _reachable(server.url)


def test_embedded_server_is_closed_to_other_users(server: EmbeddedPostgres) -> None:
    server.ensure_running()
    assert stat.S_IMODE(server.pgdata.stat().st_mode) == 0o700
    (sock,) = [path for path in server.pgdata.glob(".s.PGSQL.*") if path.is_socket()]
    assert stat.S_IMODE(sock.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.data_dir / "postgres.lock").stat().st_mode) == 0o600
    # as root, the server's own account passes through
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == (0o701 if os.geteuid() == 0 else 0o700)
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server has an account of its own")
def test_embedded_server_says_which_folders_it_opens_for_its_account(
    server: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    server.ensure_running()
    assert f"may now pass through {server.data_dir}" in caplog.text


def test_embedded_server_says_what_is_wrong_with_its_files(server: EmbeddedPostgres) -> None:
    server.ensure_running()
    server.stop()
    (server.pgdata / "PG_VERSION").write_text("12\n")
    with pytest.raises(StoreUnavailable, match=r"PostgreSQL 12.*pg_dump"):
        server.ensure_running()
    (server.pgdata / "PG_VERSION").write_text("18\n")
    (server.pgdata / "postgresql.auto.conf").write_text("shared_buffers = lots\n")
    with pytest.raises(StoreUnavailable, match=r"shared_buffers[\s\S]*NAS_DATABASE_URL"):
        server.ensure_running()


def test_embedded_server_says_so_when_its_folder_cannot_be_made(server_folder: Path) -> None:
    (server_folder / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="NAS_DATABASE_URL"):
        EmbeddedPostgres(server_folder / "file").ensure_running()


def test_embedded_server_refuses_a_path_that_a_shell_would_read(server_folder: Path) -> None:
    with pytest.raises(StoreUnavailable, match="choose a data directory"):
        EmbeddedPostgres(server_folder / "$(touch x)").ensure_running()


def test_embedded_server_survives_an_initialisation_that_was_killed(server_folder: Path) -> None:
    server = EmbeddedPostgres(server_folder)
    (server_folder / "postgres.new" / "base").mkdir(parents=True)
    try:
        assert _reachable(server.ensure_running())
    finally:
        server.stop()
