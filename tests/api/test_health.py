"""Health, readiness and metrics, without a key."""

import re

import httpx
from pydantic import SecretStr

from api.app import create_app
from nas.settings import Settings
from nas.study import StudyState
from tests.api.conftest import Service, Submit, serving
from tests.api.seeding import Driver


def value(text: str, sample: str) -> float:
    match = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else 0.0


def test_healthz_answers(service: Service):
    with service.client() as client:
        assert client.get("/healthz").json() == {"status": "ok", "reasons": []}


def test_readyz_is_degraded_while_studies_wait_without_a_driver(service: Service, submit: Submit):
    study_id = submit()
    with service.client() as client:
        waiting = client.get("/readyz").json()
        driver = Driver(service.engine, study_id)
        served = client.get("/readyz").json()
        driver.become(StudyState.FAILED)
    assert waiting["status"] in ("degraded", "ready")
    assert served == {"status": "ready", "reasons": []}


def test_readyz_says_that_the_database_is_away(tmp_path):
    url = SecretStr("postgresql://nobody@127.0.0.1:1/nothing")
    with (
        serving(create_app(Settings(data_dir=tmp_path, database_url=url))) as address,
        httpx.Client(base_url=address) as client,
    ):
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["status"] == "unavailable"
        assert ready.json()["reasons"]
        assert client.get("/healthz").status_code == 200
        refused = client.get("/v1/studies", headers={"Authorization": "Bearer nas_a_b"})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.json()["code"] == "store_unavailable"


def test_readyz_says_that_the_schema_is_missing(tmp_path, empty_database_url: str):
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(empty_database_url))
    with serving(create_app(settings)) as address, httpx.Client(base_url=address) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "migrat" in ready.json()["reasons"][0]


def test_metrics_count_requests_by_route_and_trials_by_state(service: Service, client: httpx.Client, submit: Submit):
    route = 'nas_http_requests_total{method="GET",route="/v1/studies/{study_id}",status="200"}'
    missing = 'nas_http_requests_total{method="GET",route="unknown",status="404"}'
    before = client.get("/metrics").text
    study_id = submit()
    for _ in range(3):
        client.get(f"/v1/studies/{study_id}")
    client.get("/no/such/path")
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(4)
    after = client.get("/metrics").text
    driver.become(StudyState.FAILED)
    assert value(after, route) == value(before, route) + 3
    assert value(after, missing) == value(before, missing) + 1
    assert value(after, 'nas_trials{state="paused"}') == value(before, 'nas_trials{state="paused"}') + 4
    assert 'nas_http_request_seconds_bucket{le="0.02",method="GET",route="/v1/studies/{study_id}"}' in after
    assert study_id not in after
