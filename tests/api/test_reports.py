"""The report and the calibration over HTTP: for who may read the study, as JSON and as one page."""

import httpx
import pytest

from nas.report.document import Report
from nas.study import StudyState
from tests.api.conftest import Service
from tests.api.seeding import Driver
from tests.planted import Plan, plant

PROTOCOL = {"rungs": [{"steps": 10}, {"steps": 30, "replicas": 2}]}


@pytest.fixture(scope="module")
def reported(service: Service) -> str:
    """The path of a study whose first rung misleads, of an owner called reporter."""
    spec = {"name": "reported", "space": {"preset": "recall_demo"}, "references": ["transformer"], "protocol": PROTOCOL}
    with service.client(service.key("reporter")) as client:
        path: str = client.post("/v1/studies", json=spec).headers["Location"]
    driver = Driver(service.engine, path.rpartition("/")[2])
    driver.become(StudyState.RUNNING)
    plan = Plan(truth=lambda trial: 0.03 * trial.number, n_trials=25, seen=lambda rung, truth: truth if rung else 1 - truth)
    plant(driver, plan)
    driver.become(StudyState.COMPLETED)
    return path


@pytest.fixture
def reporter(service: Service):
    with service.client(service.key("reporter", "read")) as client:
        yield client


def test_the_report_is_the_whole_document(reporter: httpx.Client, reported: str):
    response = reporter.get(f"{reported}/report")
    assert response.status_code == 200
    found = Report.from_json(response.content)
    assert (found.study.id, found.study.final, found.n_scored) == (reported.rpartition("/")[2], True, 26)
    assert found.winner is not None
    assert found.winner.number == 25


def test_calibration_says_that_the_rung_misleads(reporter: httpx.Client, reported: str):
    (rung,) = reporter.get(f"{reported}/calibration").json()
    assert (rung["lower"], rung["upper"], rung["verdict"]) == (0, 1, "worse")
    assert "ranks worse than the parameter count" in rung["warning"]


def test_leaders_have_a_group_and_an_interval_over_their_seeds(reporter: httpx.Client, reported: str):
    rows = reporter.get(f"{reported}/leaderboard").json()["items"]
    assert rows[0]["group"] == 1
    assert [row["group"] for row in rows] == sorted(row["group"] for row in rows)
    board = Report.from_json(reporter.get(f"{reported}/report").content).leaderboard
    for row, one in zip(rows, board, strict=False):
        assert (row["trial"]["score_low"], row["trial"]["score_high"]) == pytest.approx((one.low, one.high))


@pytest.mark.parametrize("what", ["report", "calibration"])
def test_a_study_of_somebody_else_is_not_there(client: httpx.Client, reported: str, what: str):
    response = client.get(f"{reported}/{what}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_the_page_is_the_file_that_the_command_writes(reporter: httpx.Client, reported: str):
    response = reporter.get(f"{reported.removeprefix('/v1')}/report")
    # pages are for sessions, and take a key as well
    assert response.headers["Content-Type"].startswith("text/html")
    assert "Checklist of good practice" in response.text
    assert 'href="/studies/' in response.text
