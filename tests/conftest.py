"""One real PostgreSQL for the whole test session, and a fresh migrated database for every test that asks for one."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from tests.service import Service, running

_numbers = count(1)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder for a server of the test's own.

    Not below pytest's: as root the server has an account of its own, and every pytest that starts on the machine closes its
    common folder to other accounts again.
    """
    with TemporaryDirectory(prefix="nas-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The session's server. No test may stop it; one that kills a server starts its own."""
    with TemporaryDirectory(prefix="nas-test-") as folder:
        server = EmbeddedPostgres(Path(folder))
        try:
            _prepare(server)
            yield server
        finally:
            server.stop()


def _prepare(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.ensure_running(), autocommit=True) as connection:
        # nothing here must survive a power cut
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE migrated")
    engine = open_engine(_with_database(server.url, "migrated"))
    migrate(engine)
    engine.dispose()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database at the newest schema."""
    yield from _fresh_database(postgres, "TEMPLATE migrated")


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database with nothing in it."""
    yield from _fresh_database(postgres, "")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh database at the newest schema."""
    made = open_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The whole service, shared by the tests that only use it. Ones that break it start their own."""
    with TemporaryDirectory(prefix="nas-test-") as folder, running(Path(folder), "--workers", "2") as found:
        yield found


def _fresh_database(postgres: EmbeddedPostgres, source: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {source}")
    yield _with_database(postgres.url, name)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
