"""The writer's side of the store on a fresh database."""

import pytest
from sqlalchemy import Engine

from nas.store.driver_store import PostgresDriverStore


@pytest.fixture
def store(engine: Engine) -> PostgresDriverStore:
    return PostgresDriverStore(engine)
