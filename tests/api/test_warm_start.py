"""Warm starts over HTTP, and the way of a study to Optuna and back through the command line."""

import json
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.pool import NullPool

from nas.cli import build
from nas.errors import Invalid
from nas.ports import Move
from nas.trial import TrialState
from tests.api.conftest import Service, Submit
from tests.api.seeding import Driver

SPEC = {"name": "next", "space": {"preset": "recall_demo"}}
N_TRIALS = 12


def fill(service: Service, study_id: str, n_trials: int = N_TRIALS) -> None:
    """Trials that have ended."""
    driver = Driver(service.engine, study_id)
    driver.add_trials(n_trials)
    driver.write(moves=tuple(Move(number=number, state=TrialState.COMPLETED) for number in range(n_trials)))


@pytest.fixture
def tried(service: Service, submit: Submit) -> str:
    study_id = submit("tried")
    fill(service, study_id)
    return study_id


def warm(**fields):
    return SPEC | {"warm_start": fields}


def test_a_study_begins_with_the_best_of_another(client, tried):
    board = client.get(f"/v1/studies/{tried}/leaderboard").json()["items"]
    expected = [client.get(f"/v1/studies/{tried}/trials/{row['trial']['number']}").json()["params"] for row in board[:3]]
    for number, name in enumerate((tried, "tried")):
        answer = client.post("/v1/studies", json=warm(study=name, top=3) | {"name": f"next {number}"})
        assert answer.status_code == 201, answer.text
        found = answer.json()["spec"]["warm_start"]
        assert found["params"] == expected
        assert found["notes"] == [f'3 of the best of study "tried" ({tried})']
    # what is stored is a study that can be submitted as it is
    again = client.post("/v1/studies", json=answer.json()["spec"] | {"name": "again"})
    assert again.json()["spec"]["warm_start"] == found


def test_the_same_request_is_the_same_study_although_the_other_went_on(client, service, submit):
    study_id = submit("going on")
    fill(service, study_id, 3)
    headers = {"Idempotency-Key": "once"}
    first = client.post("/v1/studies", json=warm(study=study_id), headers=headers)
    with service.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE nas_trial SET score = 1 - score WHERE study_id = %s", (study_id,))
    second = client.post("/v1/studies", json=warm(study=study_id), headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["Idempotent-Replayed"] == "true"
    other = client.post("/v1/studies", json=warm(study=study_id, top=2), headers=headers)
    assert other.status_code == 409


def test_a_check_says_what_a_warm_start_finds(client, tried):
    answer = client.post("/v1/studies:check", json=warm(study=tried, top=2, zoo=["transformer"]))
    assert answer.status_code == 200
    best, nearest = answer.json()["notes"]
    assert best.startswith("2 of the best")
    assert nearest.startswith("the member nearest to zoo:transformer, 0.")


def test_a_study_of_somebody_else_is_not_there(service, tried):
    for owner, scopes, status in (("mallory", ("read", "write"), 422), ("mallory", ("write",), 403)):
        with service.client(service.key(owner, *scopes)) as other:
            answer = other.post("/v1/studies", json=warm(study=tried))
            assert answer.status_code == status
            assert "d_model" not in answer.text
    assert "read" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"study": "no such study"}, "/warm_start/study"),
        ({"params": [{"d_model": 33}]}, "/warm_start/params/0/d_model"),
        ({"zoo": ["samba", "no such"]}, "/warm_start/zoo/1"),
        ({"zoo": "samba"}, "/warm_start/zoo"),
        (["samba"], "/warm_start"),
        (None, "/warm_start"),
    ],
)
def test_a_wrong_warm_start_is_refused_at_its_place(client, given, pointer):
    n_before = len(client.get("/v1/studies").json()["items"])
    answer = client.post("/v1/studies", json=SPEC | {"warm_start": given})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert len(client.get("/v1/studies").json()["items"]) == n_before


def test_history_has_every_trial_with_its_genes_and_rungs(client, tried):
    pages: list[list[dict[str, Any]]] = []
    cursor = None
    while not pages or cursor:
        page = client.get(f"/v1/studies/{tried}/history", params={"limit": 5, **({"cursor": cursor} if cursor else {})}).json()
        pages.append(page["items"])
        cursor = page["next_cursor"]
    items = [item for page in pages for item in page]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [item["row"]["number"] for item in items] == list(range(N_TRIALS))
    one = client.get(f"/v1/studies/{tried}/trials/7").json()
    assert items[7]["row"] == one["row"]
    assert items[7]["params"] == one["params"]
    (rung,) = items[7]["rungs"]
    assert rung["reported"]["score"] == one["row"]["score"]
    assert rung["searched"]["score"] == one["runs"][0]["result"]["validation_score"]


def test_history_of_somebody_else_is_not_there(service, tried):
    with service.client(service.key("mallory")) as other:
        assert other.get(f"/v1/studies/{tried}/history").status_code == 404


@pytest.fixture
def run(service: Service, owner: str, monkeypatch, capsys):
    """Type a command as the owner; returns what it prints, and what it says."""
    monkeypatch.setenv("NAS_URL", service.url)
    monkeypatch.setenv("NAS_API_KEY", service.key(owner))
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def typed(*arguments: object) -> tuple[str, str]:
        capsys.readouterr()
        build()([str(each) for each in arguments], prog_name="nas", standalone_mode=False)
        printed = capsys.readouterr()
        return printed.out.strip(), printed.err

    return typed


@pytest.fixture
def document(tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps(SPEC))
    return file


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("storage", ["sqlite:///out.db", "out.log"])
def test_a_study_goes_to_optuna_and_back(client, run, document, tmp_path, monkeypatch, storage):
    monkeypatch.chdir(tmp_path)
    assert '12 trials are in the study "tried"' in run("optuna", "export", "tried", storage)[1]
    opened = RDBStorage(storage, {"poolclass": NullPool}) if "://" in storage else JournalStorage(JournalFileBackend(storage))
    study = optuna.load_study(study_name="tried", storage=opened)
    tried = study.user_attrs["nas_study"]
    ours = client.get(f"/v1/studies/{tried}/history").json()["items"]
    assert [trial.params for trial in study.trials] == [item["params"] for item in ours]
    assert [trial.value for trial in study.trials] == [item["rungs"][0]["searched"]["score"] for item in ours]
    assert [trial.user_attrs["score"] for trial in study.trials] == [item["row"]["score"] for item in ours]
    run("optuna", "import", storage, document, "--top", 4, "-o", "warm.json")
    study_id, said = run("submit", "warm.json", "--name", "and back")
    assert '4 of the best of Optuna study "tried"' in said
    best = sorted(study.trials, key=lambda trial: trial.value or 0, reverse=True)[:4]
    stored = client.get(f"/v1/studies/{study_id}").json()["spec"]["warm_start"]
    assert stored["params"] == [trial.params for trial in best]


@pytest.mark.usefixtures("tried")
def test_submit_takes_a_warm_start_by_name(client, run, document):
    study_id, said = run("submit", document, "--name", "warmed", "--warm-start", "tried")
    assert 'warm start: 10 of the best of study "tried"' in said
    starts = client.get(f"/v1/studies/{study_id}").json()["spec"]["warm_start"]["params"]
    assert len(starts) == 9, "two of the ten are the same member"


def test_import_says_why_nothing_fits(run, document, tmp_path):
    file = tmp_path / "theirs.log"
    theirs = optuna.create_study(storage=JournalStorage(JournalFileBackend(str(file))), study_name="theirs")
    with pytest.raises(Invalid, match='0 of the best of Optuna study "theirs": it has no complete'):
        run("optuna", "import", file, document)
    theirs.optimize(lambda trial: trial.suggest_float("rate", 0, 1), n_trials=3)
    with pytest.raises(Invalid, match="3 better ones are outside this space"):
        run("optuna", "import", file, document)
