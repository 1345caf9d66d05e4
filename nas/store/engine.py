"""One engine per process, one way into a transaction, one translation of database errors into domain errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from nas.settings import Settings


def database_url(settings: Settings) -> str:
    """The database's URL; starts the embedded server when no other is configured. Raises `StoreUnavailable`."""
    raise NotImplementedError


def open_engine(url: str) -> Engine:
    """A pooled engine for a `postgresql://` URL. Connects on first use. Raises `Invalid` for another kind of URL."""
    raise NotImplementedError


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end. Raises `StoreUnavailable` when the database is away, `Invalid` for data it refuses."""
    raise NotImplementedError


def ping(engine: Engine) -> None:
    """One round trip. Raises `StoreUnavailable`."""
    raise NotImplementedError
