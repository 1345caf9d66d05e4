"""`GET /v1/compare`: whatever can be named is compared, for those who may see it; the rest is refused with the reason."""

from typing import Any

import httpx
import pytest

from nas.study import StudyState
from search_spaces.zoo import ZOO
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver


@pytest.fixture
def study(service: Service, submit: Submit) -> str:
    """The id of a study with a reference, a scored trial and others."""
    study_id = submit("side by side", references=["transformer"])
    driver = Driver(service.engine, study_id)
    driver.become(StudyState.RUNNING)
    driver.add_trials(4, ("transformer",))
    return study_id


def compared(client: httpx.Client, a: str, b: str, **query: Any) -> dict[str, Any]:
    response = client.get("/v1/compare", params={"a": a, "b": b, **query})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def refused(client: httpx.Client, a: str, b: str, **query: Any) -> tuple[int, str]:
    response = client.get("/v1/compare", params={"a": a, "b": b, **query})
    body = response.json()
    return response.status_code, f"{body['detail']} {body['errors']}"


def test_zoo_entries_are_compared_at_any_size_and_context(client: httpx.Client):
    found = compared(client, "zoo:jamba", "zoo:samba", d_model=128, vocab_size=50, context=[64, 4096])
    assert (found["a"]["digest"], found["b"]["digest"]) == tuple(ZOO[name].build(128, 50).digest for name in ("jamba", "samba"))
    assert [cost["context_length"] for cost in found["costs"]] == [64, 4096]
    assert {pair["change"] for pair in found["layers"]} >= {"changed", "only_a"}
    assert found["verdict"] == "unscored"
    assert [cost["context_length"] for cost in compared(client, "zoo:mamba", "zoo:mamba")["costs"]] == [
        1024,
        4096,
        32768,
        131072,
    ]


def test_trials_are_named_by_id_or_name_and_carry_their_scores(client: httpx.Client, study: str):
    found = compared(client, f"{study}/1", "side by side/2")
    assert [found[side]["reference"] for side in "ab"] == [f"{study}/1", f"{study}/2"]
    assert [found[side]["score"]["number"] for side in "ab"] == [1, 2]
    assert found["verdict"] in ("tied", "a_higher", "b_higher")
    assert "draw of the test set" in found["reason"]
    shown = client.get(f"/v1/studies/{study}/trials/1").json()
    assert found["a"]["score"]["score"] == shown["row"]["score"]
    by_digest = compared(client, f"{study}/1", shown["row"]["architecture_digest"][:10])
    assert by_digest["equal"]
    assert by_digest["b"]["score"] is None


def test_zoo_entry_takes_the_sizes_of_the_trial_beside_it(client: httpx.Client, study: str):
    found = compared(client, f"{study}/1", "zoo:transformer")
    assert "d_model" not in {difference["field"] for difference in found["fields"]}
    assert found["b"]["title"] == "zoo:transformer at a width of 64"


def test_reading_is_enough_and_needed(service: Service, study: str, owner: str):
    with service.client(service.key(owner, "read")) as reader:
        assert compared(reader, f"{study}/1", "zoo:mamba")["a"]["score"] is not None
    with service.client() as nobody:
        assert nobody.get("/v1/compare?a=zoo:mamba&b=zoo:mamba").status_code == 401


def test_what_is_somebody_elses_is_not_there(service: Service, client: httpx.Client, study: str):
    digest = client.get(f"/v1/studies/{study}/trials/1").json()["row"]["architecture_digest"]
    with service.client(service.key("stranger")) as stranger:
        for theirs in (f"{study}/1", "side by side/1", digest, digest[:8]):
            status, _ = refused(stranger, "zoo:mamba", theirs)
            assert status == 404
    assert refused(client, "zoo:mamba", f"{study}/99")[0] == 404


def test_name_that_several_owners_have_is_not_enough(service: Service, admin: httpx.Client):
    for owner in ("first twin", "second twin"):
        with service.client(service.key(owner)) as theirs:
            spec = {"name": "twins", "space": {"preset": "recall_demo"}}
            assert theirs.post("/v1/studies", json=spec).status_code == 201
    status, said = refused(admin, "twins/0", "zoo:mamba")
    assert status == 409
    assert "several owners have a study named 'twins'" in said


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ({"a": "zoo:mambo"}, 404, "no zoo entry 'mambo'; did you mean 'mamba'"),
        ({"a": "nobody/1"}, 404, "you have no study named 'nobody'"),
        ({"a": "01890000-0000-7000-8000-000000000000/1"}, 404, "there is no study"),
        ({"a": "0123456789abcdef"}, 404, "no study of yours has tried"),
        ({"a": "mamba"}, 422, "zoo:NAME, STUDY/NUMBER"),
        ({"a": "x\0/1"}, 422, "zoo:NAME, STUDY/NUMBER"),
        ({"a": ""}, 422, "/query/a"),
        ({"a": "x" * 301}, 422, "/query/a"),
        ({"context": [64, 64]}, 422, "different context lengths"),
        ({"context": [0]}, 422, "/query/context/0"),
        ({"context": ["many"]}, 422, "/query/context/0"),
        ({"context": list(range(1, 18))}, 422, "/query/context"),
        ({"d_model": 100, "a": "zoo:mamba"}, 422, "zoo entries need a multiple of 8"),
        ({"d_model": 4}, 422, "/query/d_model"),
        ({"contexts": 64}, 422, "did you mean 'context'?"),
    ],
)
def test_what_cannot_be_compared_is_said(client: httpx.Client, query: dict[str, Any], status: int, words: str):
    found, said = refused(client, **{"a": "zoo:mamba", "b": "zoo:mamba2", **query})
    assert found == status
    assert words in said


def test_both_must_be_named(client: httpx.Client):
    response = client.get("/v1/compare?a=zoo:mamba")
    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": "/query/b", "reason": "is required"}]
