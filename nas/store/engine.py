"""One engine per process, one way into a transaction, one translation of database errors into domain errors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from nas.errors import Invalid, StoreUnavailable
from nas.settings import Settings
from nas.store.embedded import EmbeddedPostgres

_DIALECTS = ("postgresql", "postgres", "postgresql+psycopg")
_SESSION = {
    "timezone": "UTC",
    "lock_timeout": "15s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}


def database_url(settings: Settings) -> str:
    """The database's URL; starts the embedded server when no other is configured. Raises `StoreUnavailable`."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return EmbeddedPostgres(settings.data_dir).ensure_running()


def open_engine(url: str) -> Engine:
    """A pooled engine for a `postgresql://` URL. Connects on first use. Raises `Invalid` for another kind of URL."""
    return create_engine(
        parse_url(url),
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=15,
        pool_timeout=10,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={
            "connect_timeout": 10,
            "application_name": "nas",
            "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
        },
    )


def parse_url(url: str) -> URL:
    """The URL with our driver in it. Raises `Invalid`, without repeating what may hold a password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Invalid("the database URL cannot be read: give postgresql://user:password@host:port/database") from None
    if parsed.drivername not in _DIALECTS:
        raise Invalid(f"{parsed.drivername!r} is not supported: give a postgresql:// URL, or none for the embedded server")
    return parsed.set(drivername="postgresql+psycopg")


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end.

    Raises `StoreUnavailable` when the database is away or too busy, `Invalid` for data that it refuses.
    """
    with _translated(), engine.begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reads that need no common snapshot: each statement stands alone, without the trips of a transaction.

    Raises as `transaction` does.
    """
    with _translated(), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def storable(value: Any) -> Any:
    """Text and JSON that PostgreSQL takes: NUL and lone surrogates, which it refuses, become U+FFFD."""
    match value:
        case str():
            return "".join("\ufffd" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in value)
        case dict():
            return {storable(key): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
    return value


@contextmanager
def _translated() -> Iterator[None]:
    """Database errors as domain errors; those that are our own mistakes stay as they are."""
    try:
        yield
    except (DataError, UnicodeEncodeError) as error:
        raise Invalid(f"the database refuses a value: {_first_line(error)}") from error
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise StoreUnavailable(f"the database does not answer, try again: {_first_line(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(f"the connection to the database was lost, try again: {_first_line(error)}") from error
        raise


def _first_line(error: Exception) -> str:
    """What the driver said, without the statement and its values."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
