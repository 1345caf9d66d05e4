"""Optuna storages as Optuna itself reads them, against what its own `add_trials` writes."""

import json
import pickle
import sqlite3

import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sqlalchemy.pool import NullPool

from nas.errors import Conflict, Invalid, NotFound
from nas.optuna_storage import NewStudy, read_best, write_study
from nas.optuna_trials import optuna_trials
from nas.study import Constraint
from tests.nas.histories import history
from tests.nas.spaces import study

SPEC = study(references=("transformer",), objectives=("score", "params"), constraints=(Constraint(metric="params", max=10**9),))
NEW = NewStudy(name="ours", objectives=("score", "params"), maximize=(True, False), attributes={"nas_study": "an id"})
N_TRIALS = 25


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def converted(spec=SPEC, n_trials=N_TRIALS):
    return list(optuna_trials(spec, history(spec, n_trials)))


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("empty_database_url")
    return f"sqlite:///{tmp_path}/study.db" if request.param == "sqlite" else str(tmp_path / "study.log")


def storage(url):
    if "://" not in url:
        return JournalStorage(JournalFileBackend(url))
    return RDBStorage(url.replace("postgresql://", "postgresql+psycopg://"), {"poolclass": NullPool})


def loaded(url, name="ours"):
    """As anybody would."""
    return optuna.load_study(study_name=name, storage=storage(url))


def comparable(trials):
    return [{**vars(trial), "_trial_id": None} for trial in trials]


def test_a_storage_holds_what_optuna_would_have_written(url):
    trials = converted()
    assert write_study(url, NEW, iter(trials)) == N_TRIALS
    found = loaded(url)
    expected = optuna.create_study(storage=InMemoryStorage(), directions=["maximize", "minimize"])
    expected.add_trials(trials)
    assert comparable(found.trials) == comparable(expected.trials)
    assert found.directions == expected.directions
    assert found.metric_names == ["score", "params"]
    assert found.user_attrs == {"nas_study": "an id"}
    assert [trial.number for trial in found.best_trials] == [trial.number for trial in expected.best_trials]


@pytest.mark.parametrize("objectives", [("score",), ("score", "params")])
def test_optuna_goes_on_from_a_storage(objectives, tmp_path):
    spec, url = study(references=("transformer",), objectives=objectives), f"sqlite:///{tmp_path}/study.db"
    new = NewStudy(name="ours", objectives=objectives, maximize=(True, False)[: len(objectives)], attributes={})
    write_study(url, new, iter(converted(spec)))
    found = loaded(url)
    for number in (N_TRIALS, N_TRIALS + 1):
        # enough of them that TPE learns from what was written
        found.sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=0)
        trial = found.ask()
        assert trial.number == number
        assert spec.space.contains(spec.space.suggest(trial))
        found.tell(trial, (0.5, 1.0)[: len(objectives)])


def test_a_second_study_goes_beside_the_first_and_the_same_name_is_refused(url):
    write_study(url, NEW, iter(converted()))
    with pytest.raises(Conflict, match="--name"):
        write_study(url, NEW, iter(()))
    other = NewStudy(name="other", objectives=NEW.objectives, maximize=NEW.maximize, attributes={})
    write_study(url, other, iter(converted(n_trials=3)))
    assert (len(loaded(url).trials), len(loaded(url, "other").trials)) == (N_TRIALS, 3)
    with pytest.raises(Invalid, match="2 studies: say which with --name; there are 'other', 'ours'"):
        read_best(url, None)
    with pytest.raises(NotFound, match="no study 'third'"):
        read_best(url, "third")
    assert read_best(url, "other")[0] == "other"


def test_what_fails_on_the_way_leaves_no_study(url):
    def broken():
        yield from converted()[:3]
        raise ConnectionError("the service went away")

    with pytest.raises(ConnectionError):
        write_study(url, NEW, broken())
    assert optuna.get_all_study_names(storage(url)) == []


def test_the_best_are_complete_feasible_and_distinct_with_the_front_first(url):
    trials = converted(n_trials=80)
    write_study(url, NEW, iter(trials))
    name, best = read_best(url, None)
    assert name == "ours"
    front = [trial.number for trial in loaded(url).best_trials if "duplicate_of" not in trial.user_attrs]
    assert sorted(trial.number for trial in best[: len(front)]) == sorted(front)
    assert {trial.state for trial in best} == {TrialState.COMPLETE}
    rest = [trial.values[0] for trial in best[len(front) :]]
    assert rest == sorted(rest, reverse=True)
    assert all(trial.params == trials[trial.number].params for trial in best)
    assert len(best) == sum(trial.state is TrialState.COMPLETE and "duplicate_of" not in trial.user_attrs for trial in trials)


def test_the_best_of_a_study_that_minimises_are_the_lowest(tmp_path):
    url = f"sqlite:///{tmp_path}/theirs.db"
    theirs = optuna.create_study(storage=storage(url), study_name="theirs", direction="minimize")
    for value in (3.0, 1.0, 2.0):
        theirs.add_trial(optuna.trial.create_trial(value=value))
    theirs.add_trial(optuna.trial.create_trial(value=0.0, constraints={"memory": 1.0}))
    theirs.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    assert [trial.number for trial in read_best(url, None)[1]] == [1, 2, 0]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://user:secret@host/db", "'mysql' storages are not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///no/such/folder/x.db", "unable to open database file"),
        ("postgresql://user:secret@localhost:1/db", "is no Optuna storage"),
        ("postgresql://user:secret@localhost:port/db", "cannot be read"),
        ("study.pickle", "names no storage"),
        ("no/such/folder/x.log", "cannot be read as a journal"),
    ],
)
def test_a_bad_url_is_refused_without_its_password(url, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid, match=words) as caught:
        write_study(url, NEW, iter(()))
    assert "sqlite:///FILE.db" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite:///none.db", "none.log"])
def test_reading_makes_nothing(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid, match="there is no file"):
        read_best(url, None)
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_something_else_is_refused_and_not_changed(tmp_path):
    path = tmp_path / "else.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(Invalid, match="no Optuna storage"):
        read_best(f"sqlite:///{path}", None)
    assert path.read_bytes() == before


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code of a storage was run",))


@pytest.mark.parametrize("content", [pickle.dumps(_Bomb()), b"not json\n", json.dumps({"op_code": 99}).encode() + b"\n"])
def test_a_journal_of_something_else_is_refused_and_nothing_in_it_is_run(content, tmp_path):
    path = tmp_path / "else.log"
    path.write_bytes(content + b"\n")
    with pytest.raises(Invalid, match="cannot be read as a journal"):
        read_best(str(path), None)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///theirs.db?timeout=abc", "theirs.db.timeout=abc is no Optuna storage that can be used: could not convert"),
        (f"sqlite:///{'a' * 5000}.db", "there is no file aaa"),
        (f"{'a' * 5000}.log", "there is no file aaa"),
    ],
)
def test_a_url_that_cannot_be_read_from_is_refused(url, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.db").touch()
    with pytest.raises(Invalid, match=words) as caught:
        read_best(url, None)
    assert len(str(caught.value)) < 600


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A database that Optuna wrote."""
    path = tmp_path_factory.mktemp("whole") / "theirs.db"
    theirs = optuna.create_study(storage=storage(f"sqlite:///{path}"), study_name="theirs", direction="maximize")
    for value in (1.0, 2.0):
        trial = theirs.ask()
        trial.suggest_categorical("depth", [2, 4])
        theirs.tell(trial, value)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("update trial_params set distribution_json = '{'", "Expecting property name"),
        (
            """update trial_params set distribution_json = '{"name": "Odd", "attributes": {}}'""",
            "Unknown distribution class: Odd",
        ),
        ("update trial_params set param_value = 9", "index out of range"),
        ("delete from trial_values", "trial 0 has 0 values for 1 objectives"),
        (
            "insert into trial_values (trial_id, objective, value, value_type) values (2, 1, 3, 'FINITE')",
            "trial 1 has 2 values",
        ),
        ("delete from study_directions", "trial 0 has 1 values for 0 objectives"),
        ("update trials set state = 'ODD'", "'ODD' is not among"),
        ("update trial_values set value = null", "AssertionError"),
        ("update trials set datetime_complete = 'yesterday'", "isoformat"),
        (
            "insert into trial_system_attributes (trial_id, key, value_json) values (1, 'constraints', '\"abc\"')",
            "trial 0 has a con",
        ),
        (
            "insert into trial_system_attributes (trial_id, key, value_json) values (1, 'constraints', '[null]')",
            "trial 0 has a con",
        ),
    ],
)
def test_a_damaged_study_is_refused_with_its_storage(change, words, whole, tmp_path):
    path = tmp_path / "damaged.db"
    path.write_bytes(whole.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(Invalid, match=words) as caught:
        read_best(f"sqlite:///{path}", None)
    assert str(caught.value).startswith(f"sqlite:///{path}: study 'theirs' is damaged: ")
    assert str(caught.value).endswith("; give a copy from before, or delete those trials")
