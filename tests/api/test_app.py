"""The application as a module: light to import, and set by its settings."""

import subprocess
import sys

import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app
from nas.settings import Settings
from nas.store.api_keys import create_key
from nas.store.engine import open_engine
from tests.api.conftest import serving


def test_import_loads_neither_torch_nor_ray():
    code = "import sys, api.app; print(sorted({'torch', 'ray', 'optuna', 'plotly'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("allowed", "status"), [("", 400), ("nas.example, other.example", 200), ("other.example", 400)])
def test_host_names_are_allowed_by_settings(database_url: str, tmp_path, allowed: str, status: int):
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(database_url), allowed_hosts=allowed)
    with serving(create_app(settings)) as address, httpx.Client(base_url=address) as client:
        assert client.get("/healthz", headers={"Host": "NAS.example:8642"}).status_code == status


def test_a_defect_is_a_problem_that_tells_nothing_but_its_request(
    database_url: str, tmp_path, caplog: pytest.LogCaptureFixture
):
    app = create_app(Settings(data_dir=tmp_path, database_url=SecretStr(database_url)))

    @app.get("/defect")
    def defect() -> None:
        raise RuntimeError("a secret of the inside")

    with serving(app) as address, httpx.Client(base_url=address) as client:
        response = client.get("/defect")
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "secret" not in response.text
    assert response.json()["request_id"] in caplog.text
    assert "a secret of the inside" in caplog.text


def test_without_a_data_root_only_built_in_corpora_are_taken(database_url: str, tmp_path):
    engine = open_engine(database_url)
    headers = {"Authorization": f"Bearer {create_key(engine, 'x', ('write',)).token}"}
    engine.dispose()
    spec = {
        "name": "x",
        "space": {"preset": "recall_demo"},
        "protocol": {"tasks": [{"name": "bytes_lm", "corpus": "tale.txt"}]},
    }
    app = create_app(Settings(data_dir=tmp_path, database_url=SecretStr(database_url)))
    with serving(app) as address, httpx.Client(base_url=address, headers=headers) as client:
        refused = client.post("/v1/studies", json=spec)
        assert refused.status_code == 422
        assert "python-stdlib" in refused.json()["errors"][0]["reason"]
        spec["protocol"] = {"tasks": [{"name": "bytes_lm"}]}
        assert client.post("/v1/studies", json=spec).status_code == 201
