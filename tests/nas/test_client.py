"""The client against the real service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nas import client as client_module
from nas.client import Client
from nas.errors import Conflict
from nas.problem import InvalidRequest, KeyRefused, NothingThere, StateConflict
from nas.store.views import StudyRow
from nas.study import StudySpec, StudyState, Wish
from nas.submission import read_spec
from tests.service import Service, finished, tiny_study

LONG: dict[str, Any] = {"budget": {"trials": 1000}}


@pytest.fixture
def nas(service: Service) -> Iterator[Client]:
    with service.client() as found:
        yield found


@pytest.fixture
def done(service: Service) -> StudyRow:
    return finished(service)


def test_check_prices_a_study_and_creates_nothing(nas: Client) -> None:
    quote = nas.check(tiny_study("only checked"))
    assert quote.runs == 2 * (4 + 1)
    assert 0 < quote.least.params <= quote.most.params <= quote.params_bound
    assert list(nas.studies(name="only checked")) == []


def test_check_names_the_field_that_is_wrong(nas: Client) -> None:
    with pytest.raises(InvalidRequest) as caught:
        nas.check(tiny_study("bad", budget={"trials": 0}))
    assert [error.pointer for error in caught.value.problem.errors] == ["/budget/trials"]


def test_submitting_the_same_document_again_is_the_same_study(nas: Client, done: StudyRow) -> None:
    assert nas.submit_or_find(tiny_study(done.name)) == (done, True)
    spec = read_spec(tiny_study(done.name), None, 10**9)
    assert isinstance(spec, StudySpec)
    assert nas.study(done.id).spec == spec


def test_taken_name_is_a_conflict(nas: Client, done: StudyRow) -> None:
    with pytest.raises(StateConflict):
        nas.submit(tiny_study(done.name, seed=99))


def test_study_is_found_by_id_and_by_name(nas: Client, done: StudyRow) -> None:
    assert nas.study(done.name).row == nas.study(done.id).row


@pytest.mark.parametrize("name", ["nothing of this name", "../../healthz", "01a1f8b4-5df9-76dc-84c8-6737408ddc01", "a/b"])
def test_unknown_study_is_not_there(nas: Client, name: str) -> None:
    with pytest.raises(NothingThere):
        nas.study(name)


def test_name_that_several_owners_have_is_not_enough(nas: Client, service: Service) -> None:
    token = nas.create_key("somebody else", ("read", "write")).token
    with Client(service.url, token) as other:
        studies = [each.submit(tiny_study("shared name", budget={"trials": 1})) for each in (nas, other)]
        assert other.study("shared name").row.id == studies[1].id
    with pytest.raises(StateConflict, match="give its id"):
        nas.stop("shared name")
    for study in studies:
        assert nas.stop(study.id).wish is Wish.STOP


def test_lists_are_followed_page_by_page(nas: Client, done: StudyRow, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(nas.leaderboard(done.id)), list(nas.trials(done.id))
    monkeypatch.setattr(client_module, "PAGE", 2)
    assert (list(nas.leaderboard(done.id)), list(nas.trials(done.id))) == whole
    assert len(whole[1]) >= 5


def test_leaderboard_sorts_and_selects(nas: Client, done: StudyRow) -> None:
    params = [row.trial.cost.params for row in nas.leaderboard(done.id, sort="params", descending=True)]
    assert params == sorted(params, reverse=True)
    least = min(params)
    assert {row.trial.cost.params for row in nas.leaderboard(done.id, where=(f"params<={least}",))} == {least}
    assert [row.trial.reference for row in nas.leaderboard(done.id, reference=True)] == ["transformer"]
    assert all(row.trial.pareto for row in nas.leaderboard(done.id, pareto=True))


def test_trial_has_its_whole_history(nas: Client, done: StudyRow) -> None:
    best = next(nas.leaderboard(done.id)).trial
    found = nas.trial(done.id, best.number)
    assert found.row == best
    assert found.architecture.digest == best.architecture_digest
    assert found.result is not None
    assert found.result.score == best.score
    assert {entry.learning_rate for entry in found.result.ledger} == {0.003, 0.01}


def test_watch_goes_on_after_the_event_that_was_seen_last(nas: Client, done: StudyRow) -> None:
    events = list(nas.watch(done.id))
    assert list(nas.watch(done.id, events[2].seq)) == events[3:]
    assert list(nas.watch(done.id, events[-1].seq)) == []


def test_pause_resume_and_stop_are_wishes_that_the_driver_grants(nas: Client) -> None:
    row, found = nas.submit_or_find(tiny_study("wishes", **LONG))
    assert not found
    study = row.id
    states = (event.data["state"] for event in nas.watch(study) if event.kind == "study.state")
    assert next(states) == StudyState.RUNNING
    assert nas.pause(study).wish is Wish.PAUSE
    assert next(states) == StudyState.PAUSED
    nas.resume(study)
    assert next(states) == StudyState.RUNNING
    nas.stop(study)
    assert list(states)[-1] == StudyState.STOPPED
    with pytest.raises(StateConflict):
        nas.resume(study)


def test_export_never_overwrites_unless_told(nas: Client, done: StudyRow, tmp_path: Path) -> None:
    number = next(nas.leaderboard(done.id)).trial.number
    files = nas.export(done.id, number, tmp_path / "bundle")
    assert tmp_path / "bundle" / "architecture.json" in files
    with pytest.raises(Conflict, match="exists"):
        nas.export(done.id, number, tmp_path / "bundle")
    assert nas.export(done.id, number, tmp_path / "bundle", replace=True) == files


def test_keys_open_what_they_should_until_they_are_revoked(nas: Client, done: StudyRow) -> None:
    made = nas.create_key("somebody", ("read",), "for a test")
    assert made.token not in repr(made)
    with Client(nas.connection.url, made.token) as reader:
        assert list(reader.studies()) == []
        with pytest.raises(NothingThere):
            reader.study(done.id)
        with pytest.raises(KeyRefused):
            reader.submit(tiny_study("not mine"))
        nas.revoke_key(made.key_id)
        with pytest.raises(KeyRefused):
            list(reader.studies())
    revoked = next(key for key in nas.list_keys() if key.key_id == made.key_id)
    assert revoked.revoked_at is not None
