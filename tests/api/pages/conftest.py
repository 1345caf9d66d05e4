"""A browser that notes every complaint, a visitor with a key, and studies to look at."""

import shutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Route, sync_playwright

from api.security import SESSION_COOKIE
from nas.store.sessions import open_session
from nas.study import StudyState
from tests.api.conftest import Service
from tests.api.seeding import Driver
from tests.planted import Plan, plant

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;{{7*7}}"
REFERENCES = ("transformer", "mamba2")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("the pages are tested in chromium, which is not installed")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def trouble() -> list[str]:
    """What a browser complained about or asked other hosts for. Empty at the end of every test."""
    return []


def _refuse(trouble: list[str], route: Route) -> None:
    trouble.append(route.request.url)
    route.abort()


def _note_complaint(trouble: list[str], message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        trouble.append(message.text)


def _dismiss(trouble: list[str], dialog: Dialog) -> None:
    trouble.append(dialog.message)
    dialog.dismiss()


@pytest.fixture
def context(browser: Browser, service: Service, trouble: list[str]) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(15_000)
    made.route(lambda url: not url.startswith(service.url), partial(_refuse, trouble))
    made.on("console", partial(_note_complaint, trouble))
    made.on("weberror", lambda error: trouble.append(str(error.error)))
    made.on("dialog", partial(_dismiss, trouble))
    yield made
    made.close()
    assert trouble == []


@pytest.fixture(scope="session")
def visitor(service: Service) -> str:
    """The key of the one whose studies these are."""
    return service.key("visitor")


@pytest.fixture
def page(context: BrowserContext, service: Service, visitor: str) -> Page:
    """A page of the visitor, signed in."""
    token = open_session(service.engine, visitor)
    context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": service.url, "httpOnly": True, "sameSite": "Strict"}])
    return context.new_page()


def run_study(service: Service, key: str, name: str, n_trials: int, **fields: Any) -> tuple[str, Driver]:
    spec = {"name": name, "space": {"preset": "recall_demo"}, "references": REFERENCES, "objectives": ["score", "params"]}
    spec |= fields
    with service.client(key) as client:
        response = client.post("/v1/studies", json=spec)
        assert response.status_code == 201, response.text
    study_id: str = response.json()["row"]["id"]
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING, ATTACK)
    if n_trials:
        driver.add_trials(n_trials, REFERENCES)
    driver.write(events=(driver.event("trial.state", reason=ATTACK),))
    return study_id, driver


@pytest.fixture(scope="session")
def study(service: Service, visitor: str) -> str:
    """The path of a running study with an evil name and trials. Tests leave it as it is."""
    return f"/studies/{run_study(service, visitor, ATTACK, 70)[0]}"


@pytest.fixture(scope="session")
def reported(service: Service, visitor: str) -> str:
    """The path of an ended study with something in every section of its report, whose first rung misleads."""
    protocol = {
        "rungs": [{"steps": 10}, {"steps": 30, "replicas": 2}],
        "tasks": [{"name": "mqar"}, {"name": "mqar", "n_pairs": 4}],
    }
    spec = {"name": "reported", "space": {"preset": "recall_demo"}, "references": REFERENCES, "protocol": protocol}
    beside = {"baselines": ["random"], "objectives": ["score", "params"]}
    with service.client(visitor) as client:
        row = client.post("/v1/studies", json=spec | beside).json()["row"]
    study_id: str = row["id"]
    driver, baseline = Driver(service.engine, study_id), Driver(service.engine, row["baselines"][0]["id"])
    for each in (driver, baseline):
        each.become(StudyState.RUNNING)
    plan = Plan(
        truth=lambda trial: 0.03 * trial.number,
        seen=lambda rung, truth: truth if rung else 1 - truth,
        n_trials=25,
        confirmed=3,
        fresh=3,
        failures=1,
        noise=0.02,
    )
    plant(driver, plan)
    plant(baseline, Plan(truth=lambda trial: 0.01 * trial.number, n_trials=25, noise=0.02))
    for each in (driver, baseline):
        each.become(StudyState.COMPLETED)
    return f"/studies/{study_id}"
