"""A trial taken home over HTTP: the zip is whole, verifiable, and refused with a reason where there is nothing to take."""

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path

import httpx
import pytest

from nas.run import Artifact
from nas.study import StudyState
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver

WEIGHTS = bytes(range(256)) * 8192


@pytest.fixture
def exported(service: Service, submit: Submit) -> tuple[str, Path]:
    """The path of a trial with weights, and the file that holds them."""
    study_id = submit()
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    artifact = Artifact(path="weights/mqar.safetensors", sha256=hashlib.sha256(WEIGHTS).hexdigest(), n_bytes=len(WEIGHTS))
    driver.add_trials(1, artifacts=(artifact,))
    file = service.settings.workspace / f"studies/{study_id}/trials/0/rung-0/attempt-1" / artifact.path
    file.parent.mkdir(parents=True)
    file.write_bytes(WEIGHTS)
    return f"/v1/studies/{study_id}/trials/0/export", file


def test_export_streams_a_zip_that_its_digest_confirms(client: httpx.Client, exported: tuple[str, Path]):
    response = client.get(exported[0])
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert int(response.headers["Content-Length"]) == len(response.content)
    digest = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
    assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert "attachment" in response.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(response.content)) as bundle:
        assert bundle.testzip() is None
        assert bundle.read("weights/mqar.safetensors") == WEIGHTS
        manifest = json.loads(bundle.read("manifest.json"))["files"]
        for name in manifest:
            assert hashlib.sha256(bundle.read(name)).hexdigest() == manifest[name]["sha256"]
    assert client.get(exported[0]).content == response.content


def test_export_of_a_trial_without_weights_is_a_conflict(service: Service, client: httpx.Client, submit: Submit):
    study_id = submit()
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(1)
    refused = client.get(f"/v1/studies/{study_id}/trials/0/export")
    assert refused.status_code == 409
    assert "no weights" in refused.json()["detail"]


def test_export_of_damaged_weights_is_refused_before_anything_is_sent(client: httpx.Client, exported: tuple[str, Path]):
    path, file = exported
    file.write_bytes(WEIGHTS[:-1] + b"!")
    refused = client.get(path)
    assert refused.status_code == 409
    assert "weights/mqar.safetensors" in refused.json()["detail"]


def test_export_of_removed_weights_says_so(client: httpx.Client, exported: tuple[str, Path]):
    path, file = exported
    file.unlink()
    refused = client.get(path)
    assert refused.status_code == 404
    assert "weights/mqar.safetensors" in refused.json()["detail"]
