"""The way into a transaction, and what database errors become."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from nas.errors import Invalid, StoreUnavailable
from nas.settings import Settings
from nas.store.engine import database_url, open_engine, reading, transaction
from tests.nas.store.examples import end_other_connections


def ping(engine: Engine) -> None:
    with reading(engine) as connection:
        connection.execute(text("SELECT 1"))


def test_transaction_commits_at_the_end_and_rolls_back_on_any_error(engine: Engine) -> None:
    insert = text("INSERT INTO nas_architecture VALUES (:digest, '{}')")
    with transaction(engine) as connection:
        connection.execute(insert, {"digest": "kept"})
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        connection.execute(insert, [{"digest": "dropped"}, {"digest": "kept"}])
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT digest FROM nas_architecture")).scalars().all() == ["kept"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=["nul", "surrogate"])
def test_transaction_makes_bad_text_invalid(engine: Engine, value: str) -> None:
    with pytest.raises(Invalid, match="the database refuses"), transaction(engine) as connection:
        connection.execute(text("SELECT CAST(:value AS text)"), {"value": value})


def test_transaction_makes_a_number_out_of_range_invalid(engine: Engine) -> None:
    with pytest.raises(Invalid, match="out of range"), transaction(engine) as connection:
        connection.execute(text("SELECT CAST(:value AS integer)"), {"value": 2**40})


def test_transaction_hides_statement_and_values(engine: Engine) -> None:
    with pytest.raises(Invalid) as refused, transaction(engine) as connection:
        connection.execute(text("SELECT CAST(:value AS integer) AS secret_name"), {"value": 2**40})
    assert "secret_name" not in str(refused.value)
    assert "SELECT" not in str(refused.value)


def test_transaction_leaves_our_own_mistakes_alone(engine: Engine) -> None:
    with pytest.raises(ProgrammingError), transaction(engine) as connection:
        connection.execute(text("SELECT nonsense"))
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        connection.execute(text("INSERT INTO nas_architecture VALUES (NULL, '{}')"))


def test_transaction_says_when_its_connection_was_ended(engine: Engine) -> None:
    with pytest.raises(StoreUnavailable, match="try again"), transaction(engine) as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    ping(engine)


def test_reading_goes_on_after_pooled_connections_were_ended(engine: Engine) -> None:
    ping(engine)
    other = open_engine(engine.url.render_as_string(hide_password=False))
    end_other_connections(other)
    other.dispose()
    ping(engine)


def test_reading_says_when_there_is_no_server() -> None:
    with pytest.raises(StoreUnavailable, match="does not answer"):
        ping(open_engine("postgresql://nobody@127.0.0.1:1/none"))


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://host/db", "nonsense", "postgresql+asyncpg://host/db"])
def test_open_engine_refuses_other_databases(url: str) -> None:
    with pytest.raises(Invalid, match="postgresql://"):
        open_engine(url)


def test_open_engine_never_repeats_a_password() -> None:
    with pytest.raises(Invalid) as refused:
        open_engine("postgresql//nas:hunter2@host")
    assert "hunter2" not in str(refused.value)


def test_database_url_is_the_one_that_is_set() -> None:
    settings = Settings.model_validate({"database_url": "postgresql://somewhere/else"})
    assert database_url(settings) == "postgresql://somewhere/else"


def test_sessions_have_limits_and_utc(engine: Engine) -> None:
    with transaction(engine) as connection:
        shown = [
            connection.execute(text(f"SHOW {name}")).scalar_one() for name in ("timezone", "statement_timeout", "lock_timeout")
        ]
    assert shown == ["UTC", "1min", "15s"]
