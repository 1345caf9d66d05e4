"""One database for all planted studies of this package: reports only read."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from nas.keys import Principal
from nas.protocol import Protocol, Rung
from nas.report.document import Report
from nas.report.report import study_report
from nas.samplers import RandomSearch
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.submissions import submit_study
from nas.study import StudySpec, StudyState
from search_spaces.presets import recall_demo
from tests.api.seeding import Driver
from tests.planted import Plan, plant

OWNER = Principal("owner-key", "owner", frozenset({"admin"}))
TWO_RUNGS = Protocol(rungs=(Rung(steps=100), Rung(steps=300, replicas=3)))

_names = count(1)


@pytest.fixture(scope="session")
def reports_engine(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE reports TEMPLATE migrated")
    engine = open_engine(make_url(postgres.url).set(database="reports").render_as_string(hide_password=False))
    yield engine
    engine.dispose()


Planted = Callable[..., str]


@pytest.fixture(scope="session")
def planted(reports_engine: Engine) -> Planted:
    """Submit a study, plant what a plan says, and say how it ended. Returns its id."""

    def do(plan: Plan | None, end: StudyState = StudyState.COMPLETED, **spec: Any) -> str:
        settings = {"name": f"planted {next(_names)}", "protocol": TWO_RUNGS, "sampler": RandomSearch(), **spec}
        study_id = submit_study(reports_engine, OWNER, StudySpec(space=recall_demo(), **settings)).study_id
        driver = Driver(reports_engine, study_id)
        driver.become(StudyState.RUNNING)
        if plan is not None:
            plant(driver, plan)
        if end is not StudyState.RUNNING:
            driver.become(end)
        return study_id

    return do


@pytest.fixture(scope="session")
def reported(planted: Planted, reports_engine: Engine) -> Callable[..., Report]:
    """The report of a study planted so."""
    return lambda *arguments, **spec: study_report(reports_engine, OWNER, planted(*arguments, **spec))
