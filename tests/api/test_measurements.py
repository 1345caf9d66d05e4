"""A study of measurements from submission to a verified bundle, with real trainings: everything that tokens can, they can."""

import io
import zipfile
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from api.app import create_app
from nas.settings import Settings
from nas.store.api_keys import create_key
from nas.study import StudySpec
from tests.api.conftest import Service, serving
from tests.nas.driving import assert_sound, drive
from workers.evaluate import evaluate
from workers.verify import verify

STUDY = {
    "name": "measured",
    "space": {
        "name": "measured",
        "input": {"kind": "continuous", "n_channels": 3},
        "genes": {"d_model": [16], "depth": [1, 2], "attention_ratio": [0.0, 1.0]},
    },
    "protocol": {
        "tasks": [
            {
                "name": "forecasting",
                "system": {"kind": "lorenz"},
                "sequence_length": 16,
                "horizon": 4,
                "n_validation": 16,
                "n_test": 16,
            }
        ],
        "rungs": [{"steps": 2}, {"steps": 4}],
        "learning_rates": [0.01],
        "recipe": {"batch_size": 8},
    },
    "budget": {"trials": 2},
    "references": ["mamba", "deepseek_v3"],
    "sampler": {"name": "random"},
}


def test_study_of_measurements_ends_in_a_bundle_that_verifies(engine: Engine, database_url: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(database_url))
    app = create_app(settings)
    with serving(app) as address:
        service = Service(address, settings, engine, app)
        with service.client(create_key(engine, "me", ("read", "write")).token) as client:
            response = client.post("/v1/studies", json=STUDY)
            assert response.status_code == 201, response.text
            study_id = response.json()["row"]["id"]
            drive(engine, partial(evaluate, workspace=settings.workspace, data_root=None))
            assert_sound(engine, study_id, StudySpec.from_data(response.json()["spec"]))
            trials = client.get(f"/v1/studies/{study_id}/trials").json()["items"]
            best = next(trial["number"] for trial in trials if trial["reference"] == "mamba")
            for page in (f"/studies/{study_id}", f"/studies/{study_id}/trials/{best}"):
                shown = client.get(page, headers={"Accept": "text/html"})
                assert shown.status_code == 200
                assert "forecasting" in shown.text
            path = f"/v1/studies/{study_id}/trials/{best}/export"
            bundle = client.get(path)
            with zipfile.ZipFile(io.BytesIO(bundle.content)) as archive:
                archive.extractall(tmp_path / "bundle")
            for name, reason in (("onnx", "only models of tokens"), ("huggingface", "reads and predicts measurements")):
                refused = client.get(path, params={"format": name})
                assert refused.status_code == 409
                assert reason in refused.text
    checks = list(verify(tmp_path / "bundle", None))
    assert {check.status for check in checks} == {"ok"}, checks


def test_entries_made_for_tokens_are_refused_as_references() -> None:
    with pytest.raises(ValueError, match="byte_hierarchical is made for tokens, by what it reads"):
        StudySpec.from_data({**STUDY, "references": ["byte_hierarchical"]})
