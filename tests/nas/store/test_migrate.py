"""Migrations make exactly the schema that the code describes."""

import threading

import pytest
from sqlalchemy import Engine, text

from nas.errors import StoreUnavailable
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from nas.store.schema import metadata

_CATALOGUE = """
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' '
       || coalesce(column_default, '')
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'options ' || relname || ' ' || array_to_string(reloptions, ',')
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL
"""


def _catalogue(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return {line for line in connection.execute(text(_CATALOGUE)).scalars() if "nas_alembic_version" not in line}


def test_migrate_makes_the_schema_of_the_code(engine: Engine, empty_database_url: str) -> None:
    described = open_engine(empty_database_url)
    metadata.create_all(described)
    assert _catalogue(engine) == _catalogue(described)
    described.dispose()


def test_migrate_leaves_other_tables_alone(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num text)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of another program')"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "of another program"
    engine.dispose()


def test_migrate_runs_once_when_many_start_at_once(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    problems: list[BaseException] = []

    def start() -> None:
        try:
            migrate(engine)
        except BaseException as problem:
            problems.append(problem)

    starters = [threading.Thread(target=start) for _ in range(6)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert problems == []
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM nas_alembic_version")).scalar_one() == 1
    engine.dispose()


def test_migrate_refuses_a_database_of_a_newer_version(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE nas_alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreUnavailable, match="newest version"):
        migrate(engine)
