"""An architecture by its digest: seen by those whose studies tried it, exported without weights, at any size."""

import io
import json
from pathlib import Path

import httpx
import pytest

from nas.export.archive import unpack
from nas.export.manifest import read_manifest
from nas.study import StudyState
from search_spaces.architecture import Architecture
from search_spaces.zoo import ZOO
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver

SAMBA = ZOO["samba"].build()


@pytest.fixture
def digest(service: Service, submit: Submit) -> str:
    """Of an architecture that a study of the client's has tried, and that no class of transformers has."""
    driver = Driver(service.engine, submit("tries samba"))
    driver.become(StudyState.RUNNING)
    driver.add_trials(1, ("samba",))
    return SAMBA.digest


def test_it_says_what_it_is_what_it_costs_and_who_tried_it(client: httpx.Client, digest: str) -> None:
    found = client.get(f"/v1/architectures/{digest}").json()
    assert Architecture.from_data(found["architecture"]) == SAMBA
    assert (found["digest"], found["cost"]["params"] > 0, bool(found["summary"])) == (digest, True, True)
    (tried,) = found["trials"]
    assert (tried["study_name"], tried["number"], tried["state"]) == ("tries samba", 0, "paused")
    assert client.get(f"/v1/architectures/{digest[:12]}").json()["digest"] == digest


def test_forms_are_listed_with_every_reason_against_them(client: httpx.Client, digest: str) -> None:
    forms = {one["form"]: one for one in client.get(f"/v1/architectures/{digest}").json()["formats"]}
    assert (forms["config"]["available"], forms["config"]["reasons"]) == (True, [])
    assert not forms["native"]["available"]
    assert {"jamba", "llama"} <= {reason["target"] for reason in forms["native"]["reasons"]}


def test_it_leaves_without_weights(client: httpx.Client, digest: str, tmp_path: Path) -> None:
    response = client.get(f"/v1/architectures/{digest[:8]}/export?format=config&archive=tar")
    files = {path.name for path in unpack(io.BytesIO(response.content), tmp_path / "it")}
    assert {"architecture.json", "README.md", "export.json"} <= files
    assert not any(name.endswith(".safetensors") for name in files)
    found = read_manifest(tmp_path / "it")
    assert (found.architecture_digest, found.origin, found.title) == (digest, None, f"architecture {digest[:12]}")
    for form in ("native", "bundle"):
        assert client.get(f"/v1/architectures/{digest}/export?format={form}").json()["code"] == "not_available"


def test_it_grows_to_the_size_that_is_asked_for(client: httpx.Client, digest: str, tmp_path: Path) -> None:
    response = client.get(f"/v1/architectures/{digest}/export?format=config&scale_to=20M&vocab_size=1000")
    unpack(io.BytesIO(response.content), tmp_path / "it")
    grown = Architecture.from_json((tmp_path / "it" / "architecture.json").read_bytes())
    scaling, costs = (json.loads((tmp_path / "it" / f"{name}.json").read_text()) for name in ("scaling", "costs"))
    assert scaling["from"]["digest"] == digest
    assert scaling["digest"] == costs["digest"] == grown.digest
    assert scaling["params"] == costs["params"] == pytest.approx(20e6, rel=0.02)
    assert [at["context_length"] for at in costs["contexts"]] == [4096, 32_768, 131_072, 1_048_576]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("scale_to=large", "/query/scale_to"),
        ("scale_to=1", "/query/scale_to"),
        ("growth=stack", "/query/scale_to"),
        ("width=0", "/query/width"),
    ],
)
def test_a_size_that_cannot_be_is_refused_by_name(client: httpx.Client, digest: str, query: str, pointer: str) -> None:
    refused = client.get(f"/v1/architectures/{digest}/export?format=config&{query}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer


def test_what_only_others_have_tried_is_not_there(service: Service, digest: str) -> None:
    with service.client(service.key("stranger")) as stranger:
        for path in ("", "/export?format=config"):
            refused = stranger.get(f"/v1/architectures/{digest}{path}")
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    with service.client(service.key("root", "admin")) as admin:
        assert admin.get(f"/v1/architectures/{digest}").status_code == 200


@pytest.mark.parametrize("digest", ["a" * 7, "A" * 64, "a" * 65, "..%2f" * 4, "zzzzzzzz"])
def test_what_is_no_digest_is_refused(client: httpx.Client, digest: str) -> None:
    assert client.get(f"/v1/architectures/{digest}").status_code in (404, 422)


def test_a_zoo_entry_lists_its_forms(client: httpx.Client) -> None:
    found = client.get("/v1/zoo/samba").json()
    assert (found["entry"]["name"], found["digest"]) == ("samba", SAMBA.digest)
    forms = {one["form"]: one for one in found["formats"]}
    assert forms["native"]["reasons"]
    assert forms["huggingface"]["available"]
    assert client.get("/v1/zoo/../samba").status_code == 404
    assert client.get("/v1/zoo/nothing").json()["code"] == "not_found"
