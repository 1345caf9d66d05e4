"""Leaderboard, Pareto front and trials over HTTP: order, selection, pages."""

import re
from typing import Any

import httpx
import pytest

from nas.study import StudyState
from tests.api.conftest import Service
from tests.api.seeding import Driver

N_TRIALS = 60
REFERENCES = ("transformer", "mamba2")


@pytest.fixture(scope="module")
def board(service: Service) -> str:
    """The path of a study with trials of all sorts, of an owner called bob."""
    spec = {"name": "board", "space": {"preset": "recall_demo"}, "references": REFERENCES}
    with service.client(service.key("bob")) as client:
        path: str = client.post("/v1/studies", json=spec).headers["Location"]
    driver = Driver(service.engine, path.rpartition("/")[2])
    driver.become(StudyState.RUNNING)
    driver.add_trials(N_TRIALS, REFERENCES)
    return path


@pytest.fixture
def bob(service: Service):
    with service.client(service.key("bob", "read")) as client:
        yield client


def rows(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """Every row, page by page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = client.get(f"{path}/leaderboard", params={**query, "limit": 7, **({"cursor": cursor} if cursor else {})})
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return found


def test_leaderboard_is_best_first_and_ranked_across_pages(bob: httpx.Client, board: str):
    found = rows(bob, board)
    assert [row["rank"] for row in found] == list(range(1, N_TRIALS + 1))
    scores = [row["trial"]["score"] for row in found]
    assert scores == sorted(scores, reverse=True)
    trial = found[0]["trial"]
    assert trial["score_low"] <= trial["score"] <= trial["score_high"]
    assert trial["summary"].startswith("d")
    assert trial["cost"].keys() == {"params", "active_params", "flops_per_token", "state_bytes"}


@pytest.mark.parametrize("column", ["score", "params", "active_params", "flops_per_token", "state_bytes", "number"])
@pytest.mark.parametrize("descending", [False, True])
def test_leaderboard_sorts_by_any_column(bob: httpx.Client, board: str, column: str, descending: bool):
    found = rows(bob, board, sort=column, descending=descending)
    values = [row["trial"].get(column, row["trial"]["cost"].get(column)) for row in found]
    assert values == sorted(values, reverse=descending)
    assert len(values) == N_TRIALS


def test_leaderboard_selects(bob: httpx.Client, board: str):
    assert {row["trial"]["reference"] for row in rows(bob, board, reference=True)} == set(REFERENCES)
    assert {row["trial"]["reference"] for row in rows(bob, board, reference=False)} == {None}
    assert [row["rank"] for row in rows(bob, board, pareto=True)] == [1]
    assert rows(bob, board, state=["completed", "failed"]) == []
    good = rows(bob, board, where=["score>=0.5", "params<=4e5"])
    assert good
    assert all(row["trial"]["score"] >= 0.5 and row["trial"]["cost"]["params"] <= 400_000 for row in good)


def test_a_cursor_belongs_to_its_sort_and_filter(bob: httpx.Client, board: str):
    cursor = bob.get(f"{board}/leaderboard", params={"limit": 5}).json()["next_cursor"]
    for other in ({"sort": "params"}, {"descending": True}, {"pareto": False}):
        assert bob.get(f"{board}/leaderboard", params={"cursor": cursor, **other}).status_code == 422
    assert bob.get(f"{board}/trials", params={"cursor": cursor}).status_code == 422


def test_pareto_is_the_front(bob: httpx.Client, board: str):
    front = bob.get(f"{board}/pareto").json()
    assert [trial["number"] for trial in front] == [rows(bob, board)[0]["trial"]["number"]]


def test_trials_are_in_order_of_number(bob: httpx.Client, board: str):
    page = bob.get(f"{board}/trials", params={"limit": 500}).json()
    assert [trial["number"] for trial in page["items"]] == list(range(N_TRIALS))


def test_a_trial_has_its_architecture_params_and_runs(bob: httpx.Client, board: str):
    trial = bob.get(f"{board}/trials/5").json()
    assert trial["row"]["number"] == 5
    assert trial["params"]
    assert trial["architecture"]["core"]
    assert trial["runs"][0]["result"]["score"] == trial["row"]["score"]
    assert bob.get(f"{board}/trials/{N_TRIALS}").status_code == 404


def test_objectives_have_a_column_on_the_page_and_a_value_in_every_row(service: Service):
    spec = {"name": "speed", "space": {"preset": "recall_demo"}, "objectives": ["score", "active_params", "peak_memory_bytes"]}
    with service.client(service.key("carol")) as client:
        path: str = client.post("/v1/studies", json=spec).headers["Location"]
        driver = Driver(service.engine, path.rpartition("/")[2])
        driver.become(StudyState.RUNNING)
        driver.add_trials(3)
        trials = [row["trial"] for row in rows(client, path)]
        assert all(trial["metrics"].keys() >= {"score", "peak_memory_bytes", "train_tokens_per_second"} for trial in trials)
        page = client.get(path.removeprefix("/v1"), headers={"Accept": "text/html"})
    assert page.status_code == 200
    headings = re.findall(r"<th scope=\"col\"[^>]*>\s*(?:<a [^>]*>)?([^<]+)", page.text)
    assert headings[-4:] == ["Decode state", "active_params", "peak_memory_bytes", "State"]
    assert page.text.count(f'title="{trials[0]["metrics"]["peak_memory_bytes"]}"') == 3
