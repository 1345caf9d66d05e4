"""The catalogues tell what can be submitted, and what they tell is true."""

import httpx
from jsonschema import Draft202012Validator

from nas.protocol_presets import PRESETS
from nas.tasks.catalogue import CATALOGUE as CATALOGUE_OF_TASKS
from search_spaces.primitives import CATALOGUE, CostContext
from search_spaces.zoo import ZOO


def test_primitives_have_schemas_that_their_zoo_uses_satisfy(client: httpx.Client):
    found = {item["kind"]: item for item in client.get("/v1/primitives").json()}
    assert found.keys() == CATALOGUE.keys()
    for entry in client.get("/v1/zoo").json():
        built = entry["architecture"]
        for layer in [*built["prelude"], *built["core"], *built["coda"]]:
            for part in [*layer["mixers"], *([layer["channel"]] if layer["channel"] else [])]:
                Draft202012Validator(found[part["kind"]]["schema"]).validate(part)


def test_primitives_have_examples_with_their_cost(client: httpx.Client):
    for primitive in client.get("/v1/primitives").json():
        Draft202012Validator(primitive["schema"]).validate(primitive["example"])
        part = CATALOGUE[primitive["kind"]].from_data(primitive["example"])
        assert primitive["cost"]["params"] == part.cost(64, CostContext(context_length=1024)).params
        assert primitive["formulas"]["params"] == part.formulas.params
        assert primitive["causal"] == part.causal


def test_tasks_have_defaults_that_satisfy_their_schema(client: httpx.Client):
    tasks = client.get("/v1/tasks").json()
    assert {task["name"] for task in tasks} == set(CATALOGUE_OF_TASKS)
    for task in tasks:
        Draft202012Validator(task["schema"]).validate(task["defaults"])
        assert task["chance"] == CATALOGUE_OF_TASKS[task["name"]].from_data({}).chance()


def test_protocols_can_be_submitted_by_name_and_written_out(client: httpx.Client):
    protocols = client.get("/v1/protocols").json()
    assert [preset["name"] for preset in protocols["presets"]] == list(PRESETS)
    for preset in protocols["presets"]:
        Draft202012Validator(protocols["schema"]).validate(preset["protocol"])
        study = {"name": "x", "space": {"preset": "recall_demo"}}
        by_name = client.post("/v1/studies:check", json=study | {"protocol": {"preset": preset["name"]}})
        written = client.post("/v1/studies:check", json=study | {"protocol": preset["protocol"]})
        assert by_name.status_code == written.status_code == 200
        assert by_name.json() == written.json()


def test_zoo_entries_are_priced_and_can_be_references(client: httpx.Client):
    zoo = client.get("/v1/zoo").json()
    assert [entry["name"] for entry in zoo] == list(ZOO)
    assert all(entry["cost"]["params"] > 0 for entry in zoo)
    references = [entry["name"] for entry in zoo if entry["causal"]]
    spec = {"name": "all references", "space": {"preset": "recall_demo"}, "references": references}
    assert client.post("/v1/studies:check", json=spec).status_code == 200


def test_zoo_entries_that_see_later_tokens_are_refused_as_references(client: httpx.Client):
    encoders = [entry["name"] for entry in client.get("/v1/zoo").json() if not entry["causal"]]
    assert encoders == ["linformer", "fnet"]
    for name in encoders:
        spec = {"name": "encoder", "space": {"preset": "recall_demo"}, "references": ["transformer", name]}
        answer = client.post("/v1/studies:check", json=spec)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/references/1"
        assert f"{name} is an encoder: it sees later tokens" in answer.text


def test_spaces_can_be_submitted_by_name_and_written_out(client: httpx.Client):
    spaces = client.get("/v1/spaces").json()
    for preset in spaces["presets"]:
        Draft202012Validator(spaces["schema"]).validate(preset["space"])
        by_name = client.post("/v1/studies:check", json={"name": "x", "space": {"preset": preset["name"]}})
        written = client.post("/v1/studies:check", json={"name": "x", "space": preset["space"]})
        assert by_name.status_code == written.status_code == 200
        assert by_name.json() == written.json()
        assert by_name.json()["space_size"] == preset["size"]


def test_genes_say_what_they_allow(client: httpx.Client):
    genes = client.get("/v1/spaces").json()["genes"]
    depth = next(gene for gene in genes["macro"] if gene["name"] == "depth")
    assert depth["allowed"] == "an integer from 1 to 256"
    heads = next(gene for gene in genes["macro"] if gene["name"] == "n_heads")
    assert heads["condition"] == "some layer is attention of some kind"
    assert {"layer0.mixer", "layer0.channel"} <= {gene["name"] for gene in genes["micro"]}
