"""What `nas up` runs: PostgreSQL, the API and the driver on one machine, kept alive until told to stop.

The supervisor holds the listening socket, so that clients wait while the API restarts instead of being refused. Whatever it
started, and whatever those started, is gone when it is gone.
"""

import fcntl
import getpass
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from nas.connection import Connection, load_connection, save_connection
from nas.errors import Conflict, Denied, Invalid, NasError, StoreUnavailable
from nas.private_files import open_lock, private_folder
from nas.processes import Child, Command, adopt_orphans, kill_descendants, reap_orphans, when_we_die
from nas.settings import Settings
from nas.store.api_keys import authenticate, create_key
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.migrate import migrate

TICK_SECONDS = 0.2
READY_SECONDS = 120.0
STOP_POSTGRES = """
pid=$(head -n 1 "$0")
grep --quiet --null-data --line-regexp --fixed-strings --regexp="${0%/postmaster.pid}" "/proc/$pid/cmdline" && kill -INT "$pid"
"""
"""A shell script for the server whose pid file is `$0`, unless its number is another program's by now. SIGINT is PostgreSQL's
fast shutdown."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Say = Callable[[str], None]


class NotReady(NasError):
    """The service did not come up; the message says which log to read."""


def run(settings: Settings, *, allow_remote: bool, say: Say, on_ready: Callable[[Connection], None]) -> None:
    """Bring everything up, tell `on_ready` where it is, keep it up until SIGINT or SIGTERM, and take it down.

    Raises `Invalid` for a host that others can reach without `allow_remote`, `Conflict` when the data directory or the port
    is in use, `NotReady`, or `StoreUnavailable`.
    """
    refuse_remote(settings.host, allow_remote)
    with ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        stack.enter_context(_owned(settings.data_dir))
        listener = stack.enter_context(_listening(settings.host, settings.port))
        adopt_orphans()
        stack.callback(kill_descendants)
        database = stack.enter_context(_database(settings))
        connection = Connection(url=_url_of(listener), key=prepare(settings.data_dir, database()))
        save_connection(settings.data_dir, connection)
        children = _children(settings, database(), listener)
        stack.callback(_stop_all, children)
        with suppress(_Stopped):
            _wait_until_ready(connection.url, children, lambda: _tend(children, database, stop, say))
            on_ready(connection)
            while True:
                _tend(children, database, stop, say)


def refuse_remote(host: str, allowed: bool) -> None:
    """A service that others can reach is a decision, not an accident. Raises `Invalid`."""
    if host not in LOOPBACK and not allowed:
        raise Invalid(
            f"{host} can be reached from other machines, and requests would travel unencrypted:"
            " put a TLS proxy before 127.0.0.1, or add --allow-remote"
        )


class _Stopped(Exception):
    """A signal asked for the end."""


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; the old handlers come back at the end."""
    stop = threading.Event()
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(kind, lambda *_: stop.set()) for kind in kinds]
    try:
        yield stop
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@contextmanager
def _owned(data_dir: Path) -> Iterator[None]:
    """The right to run on this data directory, which ends with the process. Raises `Conflict` when somebody has it."""
    private_folder(data_dir)
    with open_lock(data_dir / "up.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            url_file = data_dir / "url"
            where = f" at {url_file.read_text().strip()}" if url_file.exists() else ""
            raise Conflict(f"already running on {data_dir}{where}; stop it first, or choose another --data-dir") from None
        yield


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that the API accepts connections from. Raises `Conflict` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # inherited by what it accepts: uvicorn does not take a descriptor for TCP, and answers would wait 40 ms for the
        # other side's acknowledgement
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise Conflict(
                f"cannot listen on {host} port {port} ({error.strerror}); choose another --port, or 0 for any"
            ) from None
        listener.listen(512)
        yield listener


@contextmanager
def _database(settings: Settings) -> Iterator[Callable[[], str]]:
    """A function that gives the database's URL, and brings an embedded server back to life when it has died."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    try:
        postgres.ensure_running()
        with when_we_die(STOP_POSTGRES, str(postgres.pgdata / "postmaster.pid")):
            yield postgres.ensure_running
    finally:
        postgres.stop()


def prepare(data_dir: Path, database_url: str) -> str:
    """Migrate the database; returns a working administrator's key, the saved one or a new one. Raises `StoreUnavailable`."""
    engine = open_engine(database_url)
    try:
        migrate(engine)
        saved = load_connection(data_dir)
        if saved is not None and saved.key is not None:
            with suppress(Denied):
                authenticate(engine, saved.key)
                return saved.key
        return create_key(engine, getpass.getuser(), ("admin",), "first key, made by nas").token
    finally:
        engine.dispose()


def _children(settings: Settings, database_url: str, listener: socket.socket) -> tuple[Child, ...]:
    """The API and the driver, in the order in which they start; they stop in the reverse order."""
    logs = private_folder(settings.data_dir / "logs")
    environ = _environ(settings, database_url)
    descriptor = listener.fileno()
    # a stream of events lasts as long as its study: it must not hold up the end until we kill
    grace = ("--timeout-graceful-shutdown", "3")
    api = (sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--fd", str(descriptor), *grace)
    driver = (sys.executable, "-m", "workers.main")
    return (
        Child(Command(name="api", argv=api, environ=environ, log=logs / "api.log", descriptors=(descriptor,), grace_seconds=5)),
        Child(Command(name="driver", argv=driver, environ=environ, log=logs / "driver.log", grace_seconds=20)),
    )


def _environ(settings: Settings, database_url: str) -> dict[str, str]:
    """Our own environment with the settings made explicit: what the command line changed reaches the children."""
    given = settings.model_dump(exclude_none=True, exclude={"database_url"})
    made = {f"NAS_{name.upper()}": str(value) for name, value in given.items()}
    return {**os.environ, **made, "NAS_DATA_DIR": str(settings.data_dir.resolve()), "NAS_DATABASE_URL": database_url}


def _tend(children: Sequence[Child], database: Callable[[], str], stop: threading.Event, say: Say) -> None:
    """One round: the database first, then whoever needs it. Raises `_Stopped` when a signal came."""
    try:
        database()
    except StoreUnavailable as error:
        say(f"PostgreSQL is away and does not come back yet: {error}")
    for child in children:
        status = child.tend()
        if status is not None:
            say(_obituary(child, status))
    reap_orphans(frozenset(child.pid for child in children if child.pid is not None))
    if stop.wait(TICK_SECONDS):
        raise _Stopped


def _obituary(child: Child, status: int) -> str:
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    return f"the {child.command.name} {how}; starting it again in {child.restarts_in_seconds:.1f} s (see {child.command.log})"


def _wait_until_ready(url: str, children: Sequence[Child], tend: Callable[[], None]) -> None:
    """Tend until the API says it is ready. Raises `NotReady` when it takes too long or the children keep dying."""
    give_up = time.monotonic() + READY_SECONDS
    while not _answers(url):
        tend()
        failing = next((child for child in children if child.restarts >= 4), None)
        if failing is not None or time.monotonic() > give_up:
            logs = failing.command.log if failing else children[0].command.log.parent
            raise NotReady(f"the service does not come up; the reason should be at the end of {logs}")


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=1.0).status_code == 200
    return False


def _url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _stop_all(children: Sequence[Child]) -> None:
    """The driver first, so that it can write what it knows; then the API; the database stops after both."""
    for child in reversed(children):
        child.ask_to_stop()
        child.wait_or_kill()
