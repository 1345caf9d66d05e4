"""The description is true: real answers match it, and a fuzzer that reads it finds no fault."""

import json
from typing import Any

import httpx
import pytest
import schemathesis
from httpx_sse import connect_sse
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from api.app import create_app
from nas.study import StudyState
from search_spaces.zoo import ZOO
from tests.api.conftest import Service
from tests.api.seeding import Driver

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES_PER_OPERATION = 15

TRANSFORMER = ZOO["transformer"].build().digest

DOCUMENT = create_app().openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def fuzzed(service: Service) -> tuple[str, str]:
    """The id of an ended study with trials, and an admin's key."""
    key = service.key("fuzz", "admin")
    with service.client(key) as client:
        spec = {"name": "fuzzed", "space": {"preset": "recall_demo"}, "references": ["transformer"], "baselines": ["random"]}
        study_id: str = client.post("/v1/studies", json=spec).json()["row"]["id"]
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(5, ("transformer",))
    driver.become(StudyState.FAILED, "to be final")
    return study_id, key


def described(path: str, status: str) -> dict[str, Any]:
    response = DOCUMENT["paths"][path]["get"]["responses"][status]
    body = response["content"]["application/json" if status == "200" else "application/problem+json"]["schema"]
    return {**body, "components": DOCUMENT["components"]}


PATHS = [
    path
    for path, operations in DOCUMENT["paths"].items()
    if "application/json" in operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
]


@pytest.mark.parametrize("path", PATHS)
def test_answers_match_their_description(service: Service, fuzzed: tuple[str, str], path: str):
    study_id, key = fuzzed
    asked = DOCUMENT["paths"][path]["get"].get("parameters", ())
    query = {each["name"]: each["schema"]["examples"][0] for each in asked if each["in"] == "query" and each["required"]}
    with service.client(key) as client:
        response = client.get(path.format(study_id=study_id, number=0, digest=TRANSFORMER, name="samba"), params=query)
    assert response.status_code == 200
    assert response.content not in (b"[]", b"{}")
    Draft202012Validator(described(path, "200")).validate(response.json())


def test_events_match_their_description(service: Service, fuzzed: tuple[str, str]):
    study_id, key = fuzzed
    validator = Draft202012Validator(DOCUMENT["components"]["schemas"]["EventView"])
    with service.client(key) as client, connect_sse(client, "GET", f"/v1/studies/{study_id}/events") as source:
        for event in source.iter_sse():
            validator.validate(json.loads(event.data))


def test_refusals_match_their_description(client: httpx.Client):
    Draft202012Validator(described("/v1/studies", "4XX")).validate(client.get("/v1/studies?limit=0").json())


def test_schemas_refer_to_nothing_that_is_not_there():
    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    found = {name.removeprefix("#/components/schemas/") for name in references(DOCUMENT)}
    assert found <= DOCUMENT["components"]["schemas"].keys()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES_PER_OPERATION,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_fuzzing_finds_no_fault(case: schemathesis.Case[Any], service: Service, fuzzed: tuple[str, str]):
    study_id, key = fuzzed
    # half of the cases reach a real study, where more can go wrong than in a 404
    if "study_id" in (case.path_parameters or {}) and len(str(case.path_parameters)) % 2:
        case.path_parameters["study_id"] = study_id
    case.call_and_validate(base_url=service.url, headers={"Authorization": f"Bearer {key}"}, checks=CHECKS, timeout=20)
