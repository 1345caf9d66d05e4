"""Migrations make exactly the schema that the code describes."""

import threading

import pytest
from sqlalchemy import Engine, text

from nas.errors import StoreUnavailable
from nas.ports import Batch
from nas.store.driver_store import PostgresDriverStore
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from nas.store.schema import metadata
from nas.trial import TrialState
from tests.nas.store.examples import claimed, failed, started, succeeded, trial, write_trials

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


def test_migrate_gives_metrics_to_the_results_that_are_there(store: PostgresDriverStore) -> None:
    """A database of the first version, with a study in it."""
    claim = claimed(store)
    of = claim.study_id
    write_trials(store, claim, [trial(0, TrialState.RUNNING), trial(1)])
    runs = (started(of, 0), failed(of, 0), started(of, 0, attempt=2), succeeded(of, 0, 0.25, attempt=2), started(of, 1))
    store.write(claim, Batch(sequence=2, trials=(trial(0, TrialState.PAUSED, score=0.25),), runs=runs))
    before = store.history(claim)
    with store.engine.begin() as connection:
        connection.execute(text(_BACK_TO_THE_FIRST))
    migrate(store.engine)
    assert store.history(claim) == before
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT metrics FROM nas_trial ORDER BY number")).scalars().all() == [
            {"score": 0.25, "train_tokens_per_second": 1.0, "peak_memory_bytes": 1}, {},
        ]  # fmt: skip


_BACK_TO_THE_FIRST = """
DROP INDEX nas_trial_rank, nas_trial_score, nas_trial_params, nas_trial_active_params, nas_trial_flops_per_token,
    nas_trial_state_bytes;
ALTER TABLE nas_run DROP CONSTRAINT nas_run_result, DROP COLUMN metrics, DROP COLUMN search_metrics;
ALTER TABLE nas_run ADD CONSTRAINT nas_run_result CHECK (
    (state = 'succeeded') = (num_nulls(result, score, validation_score, folder) = 0)
);
ALTER TABLE nas_trial DROP COLUMN metrics;
ALTER TABLE nas_study DROP COLUMN accompanies;
CREATE INDEX nas_trial_active_params ON nas_trial (study_id, active_params, number) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_flops_per_token ON nas_trial (study_id, flops_per_token, number) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_params ON nas_trial (study_id, params, number) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_rank ON nas_trial (study_id, rung, score, (-number)) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_score ON nas_trial (study_id, score, (-number)) WHERE score IS NOT NULL;
CREATE INDEX nas_trial_state_bytes ON nas_trial (study_id, state_bytes, number) WHERE score IS NOT NULL;
UPDATE nas_alembic_version SET version_num = '0001';
"""


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
