"""Submitting, checking, listing, reading and steering studies, over HTTP."""

from concurrent.futures import ThreadPoolExecutor

from nas.client import Client
from nas.study import StudyState
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver

VAST = {
    "name": "vast",
    "mode": "micro",
    "genes": {
        "d_model": [64],
        "depth": [24],
        "layer*.mixer": ["attention", "mamba2", "retnet", "gla", "gated_deltanet"],
        "layer*.channel": ["none", "dense"],
    },
}
SPEC = {"name": "ratios", "space": {"preset": "recall_demo"}, "references": ["transformer"]}


def test_submit_answers_with_the_stored_study(client):
    response = client.post("/v1/studies", json=SPEC)
    assert response.status_code == 201
    study = response.json()
    assert response.headers["Location"] == f"/v1/studies/{study['row']['id']}"
    assert study["row"]["state"] == "queued"
    assert study["spec"]["space"]["name"] == "recall_demo"
    assert client.get(response.headers["Location"]).json() == study


def test_submit_takes_a_space_written_out(client):
    preset = next(item for item in client.get("/v1/spaces").json()["presets"] if item["name"] == "recall_demo")
    response = client.post("/v1/studies", json=SPEC | {"space": preset["space"]})
    assert response.status_code == 201
    assert response.json()["spec"]["space"] == preset["space"]


def test_submit_takes_a_corpus_below_the_data_root(client, corpus):
    response = client.post("/v1/studies", json=SPEC | {"protocol": {"tasks": [{"name": "bytes_lm", "corpus": corpus.name}]}})
    assert response.status_code == 201


def test_submit_replays_fifty_parallel_requests_with_one_key_as_one_study(service: Service, owner: str):
    with service.client(service.key(owner)) as client, ThreadPoolExecutor(50) as pool:
        send = lambda _: client.post("/v1/studies", json=SPEC, headers={"Idempotency-Key": "once"})  # noqa: E731 # one use
        responses = list(pool.map(send, range(50)))
        assert len(client.get("/v1/studies").json()["items"]) == 1
    assert {response.status_code for response in responses} == {201}
    assert len({response.headers["Location"] for response in responses}) == 1
    assert sum(response.headers.get("Idempotent-Replayed") != "true" for response in responses) == 1


def test_submit_refuses_a_used_key_with_another_body(client):
    headers = {"Idempotency-Key": "k"}
    assert client.post("/v1/studies", json=SPEC, headers=headers).status_code == 201
    refused = client.post("/v1/studies", json=SPEC | {"seed": 1}, headers=headers)
    assert refused.status_code == 409
    assert refused.json()["code"] == "conflict"


def test_submit_refuses_a_taken_name_but_not_another_owners(client, service: Service, owner: str):
    assert client.post("/v1/studies", json=SPEC).status_code == 201
    refused = client.post("/v1/studies", json=SPEC)
    assert refused.status_code == 409
    assert "ratios" in refused.json()["detail"]
    with service.client(service.key(owner + "x")) as other:
        assert other.post("/v1/studies", json=SPEC).status_code == 201


def test_check_prices_and_writes_nothing(client, service: Service):
    before = service.n_rows()
    response = client.post("/v1/studies:check", json=SPEC)
    assert response.status_code == 200
    assert response.json()["space_size"] > 1
    assert service.n_rows() == before


def test_index_pages_newest_first(client, submit: Submit):
    ids = [submit(f"study {number}") for number in range(5)]
    first = client.get("/v1/studies", params={"limit": 3}).json()
    rest = client.get("/v1/studies", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [row["id"] for row in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


def test_index_filters_by_name_and_state(client, submit: Submit):
    wanted = submit("wanted")
    submit("other")
    assert [row["id"] for row in client.get("/v1/studies", params={"name": "wanted"}).json()["items"]] == [wanted]
    assert client.get("/v1/studies", params={"state": ["running", "failed"]}).json()["items"] == []
    assert len(client.get("/v1/studies", params={"state": ["queued"]}).json()["items"]) == 2


def test_wishes_are_kept_and_final_studies_refuse_them(client, service: Service, submit: Submit):
    study_id = submit()
    assert client.post(f"/v1/studies/{study_id}:pause").json()["wish"] == "pause"
    assert client.post(f"/v1/studies/{study_id}:resume").json()["wish"] == "run"
    assert client.post(f"/v1/studies/{study_id}:stop").json()["wish"] == "stop"
    assert client.post(f"/v1/studies/{study_id}:resume").status_code == 409
    Driver(service.engine, study_id).become(StudyState.STOPPED)
    refused = client.post(f"/v1/studies/{study_id}:pause")
    assert refused.status_code == 409
    assert "stopped" in refused.json()["detail"]


def test_check_counts_a_space_of_more_members_than_64_bits_count(service: Service, client):
    answer = client.post("/v1/studies:check", json=SPEC | {"space": VAST})
    assert answer.status_code == 200
    assert answer.json()["space_size"] == 10**24
    with Client(service.url, client.headers["Authorization"].removeprefix("Bearer ")) as nas:
        assert nas.check(SPEC | {"space": VAST}).space_size == 10**24
