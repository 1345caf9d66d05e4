"""Bring a database to the newest schema. Several processes may try at once: one does it, the others wait."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from nas.errors import StoreUnavailable
from nas.store.engine import transaction

VERSION_TABLE = "nas_alembic_version"
"""Not Alembic's default name, which Optuna uses where it shares the database."""

# any number, the same in every version of this service
_LOCK = 6_171_811_965


def migrate(engine: Engine) -> None:
    """Upgrade to the newest schema in one transaction; nothing happens when it is there. Raises `StoreUnavailable`."""
    with transaction(engine) as connection:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        try:
            command.upgrade(config(connection), "head")
        except CommandError as error:
            raise StoreUnavailable(
                f"this version does not know the database's schema ({error}): run the newest version"
            ) from error


def require_newest(engine: Engine) -> None:
    """Raise `StoreUnavailable` unless the database answers and has the newest schema."""
    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        found, newest = context.get_current_revision(), ScriptDirectory.from_config(config(connection)).get_current_head()
    if found != newest:
        raise StoreUnavailable(f"the database's schema is {found or 'not there'} and should be {newest}: run nas migrate")


def config(connection: Connection) -> Config:
    """Alembic's configuration, with the migrations of this package and that connection."""
    made = Config(attributes={"connection": connection})
    made.set_main_option("script_location", str(files("nas.store") / "migrations").replace("%", "%%"))
    return made
