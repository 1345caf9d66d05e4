"""A trial taken home in any form over HTTP: whole, confirmed, the same each time, refused with reasons, nothing left."""

import base64
import hashlib
import io
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.exporting import sweep
from nas.export.archive import unpack
from nas.export.drawing import draw
from nas.export.manifest import Trained, read_collection, read_manifest
from nas.run import Artifact
from nas.study import StudyState
from search_spaces.zoo import ZOO
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver
from tests.service import wait_for


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Weights and parity of a model without a graph, whose forms are soon written, as a run leaves them."""
    folder = tmp_path_factory.mktemp("drawn")
    draw(ZOO["s4"].build(), 0, folder)
    return {f"{kind}/mqar.safetensors": (folder / f"{kind}.safetensors").read_bytes() for kind in ("weights", "parity")}


@pytest.fixture
def trial(service: Service, submit: Submit, stored: dict[str, bytes]) -> str:
    """The path of a scored trial that has weights, which are its own."""
    return scored(service, submit(), stored)


@pytest.fixture
def large(service: Service, submit: Submit, stored: dict[str, bytes]) -> str:
    """The path of one whose export no buffer on its way can hold."""
    return scored(service, submit("large"), stored | {"weights/large.safetensors": bytes(1 << 24)})


def scored(service: Service, study_id: str, stored: dict[str, bytes]) -> str:
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    artifacts = (
        Artifact(path=path, sha256=hashlib.sha256(data).hexdigest(), n_bytes=len(data)) for path, data in stored.items()
    )
    driver.add_trials(1, ("s4",), artifacts=tuple(artifacts))
    for path, data in stored.items():
        file = service.settings.workspace / f"studies/{study_id}/trials/0/rung-0/attempt-1" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return f"/v1/studies/{study_id}/trials/0"


@pytest.fixture
def unscored(service: Service, submit: Submit) -> str:
    """The path of a trial that has no weights."""
    study_id = submit("without weights")
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(1, ("s4",))
    return f"/v1/studies/{study_id}/trials/0"


def opened(response: httpx.Response, folder: Path) -> set[str]:
    """The files of an archive that came, confirmed by its headers and by its manifest."""
    assert response.status_code == 200, response.text
    assert int(response.headers["Content-Length"]) == len(response.content)
    digest = base64.b64encode(hashlib.sha256(response.content).digest()).decode()
    assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    return {path.relative_to(folder).as_posix() for path in unpack(io.BytesIO(response.content), folder)}


def left_behind(service: Service) -> list[Path]:
    return list((service.settings.data_dir / "exports").iterdir())


@pytest.mark.parametrize(("kind", "media"), [("zip", "application/zip"), ("tar", "application/x-tar")])
def test_a_form_leaves_as_an_archive(
    client: httpx.Client, service: Service, trial: str, tmp_path: Path, kind: str, media: str
) -> None:
    response = client.get(f"{trial}/export", params={"format": "huggingface", "archive": kind})
    files = opened(response, tmp_path / "it")
    assert files >= {"README.md", "architecture.json", "config.json", "export.json", "model.safetensors", "parity.safetensors"}
    assert response.headers["Content-Type"] == media
    assert response.headers["Content-Disposition"].endswith(f'-trial-0-huggingface.{kind}"')
    found = read_manifest(tmp_path / "it")
    assert found.origin == Trained(study=trial.split("/")[3], trial=0, rung=0, task="mqar")
    assert found.title == 'trial 0 of "a study"'
    assert client.get(f"{trial}/export", params={"format": "huggingface", "archive": kind}).content == response.content
    assert left_behind(service) == []


def test_a_bundle_leaves_as_a_tar_too(client: httpx.Client, trial: str, tmp_path: Path) -> None:
    assert opened(client.get(f"{trial}/export?archive=tar"), tmp_path / "it") >= {"manifest.json", "weights/mqar.safetensors"}


def test_all_has_each_form_in_its_folder_and_says_what_is_absent(client: httpx.Client, trial: str, tmp_path: Path) -> None:
    files = opened(client.get(f"{trial}/export?format=all"), tmp_path / "it")
    assert files >= {
        "exports.json",
        "README.md",
        "huggingface/export.json",
        "huggingface/model.safetensors",
        "bundle/manifest.json",
    }
    found = read_collection(tmp_path / "it")
    assert {"huggingface", "bundle"} <= set(found.forms)
    assert not {absence.form for absence in found.absent} & set(found.forms)
    assert all(absence.reasons for absence in found.absent)


def test_weights_are_left_out_when_they_are_not_wanted(client: httpx.Client, trial: str, tmp_path: Path) -> None:
    files = opened(client.get(f"{trial}/export?format=huggingface&weights=false"), tmp_path / "it")
    assert not any(path.endswith(".safetensors") for path in files)
    assert read_manifest(tmp_path / "it").origin is None
    assert "no weights in it" in (tmp_path / "it" / "README.md").read_text()


def test_a_trial_without_weights_leaves_as_far_as_it_can(client: httpx.Client, unscored: str, tmp_path: Path) -> None:
    for form in ("huggingface", "onnx", "bundle"):
        refused = client.get(f"{unscored}/export?format={form}")
        assert refused.status_code == 409
        assert "weights" in refused.json()["detail"]
    assert "config.json" in opened(client.get(f"{unscored}/export?format=huggingface&weights=false"), tmp_path / "code")
    assert "architecture.json" in opened(client.get(f"{unscored}/export?format=config"), tmp_path / "config")
    opened(client.get(f"{unscored}/export?format=all"), tmp_path / "all")
    assert "bundle" in {absence.form for absence in read_collection(tmp_path / "all").absent}


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ("format=pickle", "/query/format", "'native', 'huggingface', 'torch', 'config', 'onnx', 'bundle' or 'all'"),
        ("format=../native", "/query/format", "'bundle' or 'all'"),
        ("archive=rar", "/query/archive", "'zip' or 'tar'"),
        ("form=native", "/query/form", "did you mean 'format'?"),
        ("weights=perhaps", "/query/weights", ""),
    ],
)
def test_what_is_not_asked_rightly_is_said(client: httpx.Client, trial: str, query: str, pointer: str, words: str) -> None:
    refused = client.get(f"{trial}/export?{query}")
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["pointer"] == pointer
    assert words in error["reason"]


@pytest.mark.parametrize("form", ["huggingface", "bundle"])
def test_an_unknown_task_is_refused_with_those_there_are(client: httpx.Client, trial: str, form: str) -> None:
    refused = client.get(f"{trial}/export", params={"format": form, "task": "../mqar"})
    assert refused.status_code == 422
    assert "no task '../mqar'; it has mqar" in refused.json()["detail"]


def test_damaged_weights_never_leave(client: httpx.Client, service: Service, trial: str) -> None:
    file = next((service.settings.workspace / "studies" / trial.split("/")[3]).rglob("weights/mqar.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    refused = client.get(f"{trial}/export?format=huggingface")
    assert refused.status_code == 409
    assert "weights/mqar.safetensors" in refused.json()["detail"]
    assert left_behind(service) == []


def test_a_form_that_it_cannot_take_is_refused_with_every_reason(
    client: httpx.Client, service: Service, submit: Submit
) -> None:
    study_id = submit("samba")
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(1, ("samba",))
    refused = client.get(f"/v1/studies/{study_id}/trials/0/export?format=native&weights=false")
    assert refused.status_code == 409
    found = refused.json()
    assert (found["code"], len(found["reasons"]) > 10) == ("not_available", True)
    assert found["reasons"][0]["reason"] in found["detail"]
    assert {"jamba", "llama", "mamba2"} <= {reason["target"] for reason in found["reasons"]}


def test_a_client_that_leaves_midway_leaves_nothing(client: httpx.Client, service: Service, large: str) -> None:
    open_now = service.app.state.services.exports
    with hasty(client, f"{large}/export?format=all") as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert left_behind(service) == []
        assert open_now.total() == 1
    wait_for(lambda: open_now.total() == 0, "the export is still held")
    assert service.app.state.services.writers.acquire(blocking=False)
    service.app.state.services.writers.release()


def test_no_more_are_written_at_once_than_the_service_can_bear(client: httpx.Client, service: Service, trial: str) -> None:
    writers = service.app.state.services.writers
    for _ in range(2):
        assert writers.acquire(blocking=False)
    try:
        refused = client.get(f"{trial}/export?format=huggingface")
        assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (503, "busy", "2")
        assert client.get(f"{trial}/export").status_code == 200
    finally:
        for _ in range(2):
            writers.release()
    assert client.get(f"{trial}/export?format=huggingface").status_code == 200


def test_a_key_takes_home_no_more_at_once_than_its_share(client: httpx.Client, service: Service, large: str) -> None:
    open_now = service.app.state.services.exports
    with hasty(client, f"{large}/export") as connection:
        connection.recv(1)
        (key_id,) = open_now
        open_now[key_id] += 7
        try:
            assert client.get(f"{large}/export").status_code == 429
        finally:
            open_now[key_id] -= 7
    wait_for(lambda: open_now.total() == 0, "the export is still held")


def test_a_place_that_cannot_be_written_is_said(client: httpx.Client, service: Service, trial: str) -> None:
    place = service.settings.data_dir / "exports"
    place.rmdir()
    place.write_text("in the way")
    try:
        refused = client.get(f"{trial}/export?format=huggingface")
        assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
        assert str(service.settings.data_dir) not in refused.text
    finally:
        place.unlink()
    assert client.get(f"{trial}/export?format=huggingface").status_code == 200


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    for name in ("abandoned", "in use"):
        (tmp_path / "exports" / name).mkdir(parents=True)
        (tmp_path / "exports" / name / "model.safetensors").write_text("half")
    os.utime(tmp_path / "exports" / "abandoned", (0, 0))
    sweep(tmp_path)
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["in use"]


@contextmanager
def hasty(client: httpx.Client, path: str) -> Iterator[socket.socket]:
    """A connection that has asked for this and reads only what the test takes."""
    with socket.socket() as connection:
        # a small buffer: the service cannot get rid of the whole answer
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((client.base_url.host, client.base_url.port or 80))
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n"
        connection.sendall(head.encode())
        yield connection
