"""Runs that another study has measured are answered from the store, and no architecture is trained twice in one study."""

import time
from contextlib import suppress

import pytest

from nas.errors import Invalid, StoreUnavailable
from nas.export.replay import replay
from nas.keys import Principal
from nas.protocol import Protocol, Rung
from nas.report.evidence import read_evidence
from nas.report.spending import spent
from nas.reuse import Reusing
from nas.run import Run
from nas.store.driver_store import PostgresDriverStore
from nas.store.measured_elsewhere import MeasuredElsewhere
from nas.store.reads import get_study, get_trial
from nas.store.submissions import submit_study
from nas.study import Confirmation, StudySpec
from nas.validation import validate
from tests.inline_executor import InlineExecutor
from tests.nas import pretend
from tests.nas.driving import ME, FaultyStore, Killed, assert_sound, drive, driver, nth, rows, runs, study_row, submit, trials
from tests.nas.spaces import TINY, study
from tests.nas.test_driver_disk import QUICK, SMALL, OnDisk


class Seen(list[Run]):
    """Evaluates, and keeps the runs that it was given."""

    def __call__(self, run):
        self.append(run)
        return pretend.succeed(run)


def sharing(engine, evaluate, **options):
    executor = Reusing(InlineExecutor(evaluate, 3), MeasuredElsewhere(engine).find)
    return driver(options.pop("store", engine), executor=executor, **options)


def measured(engine, spec, **options):
    """A study seen through by an executor that may answer from the store: its id, and the runs that were trained."""
    study_id, seen = submit(engine, spec), Seen()
    drive(sharing(engine, seen, **options))
    assert_sound(engine, study_id, spec)
    return study_id, seen


FIRST = study("first", trials=6, eta=None)


def second(name="second", **changes):
    return FIRST.model_copy(update={"name": name, "reuse": True, **changes})


def test_study_is_answered_with_what_another_has_measured(engine):
    first, trained = measured(engine, FIRST)
    assert trained
    again, trained = measured(engine, second())
    assert not trained
    for trial in trials(engine, again):
        if trial.twin is not None:
            continue
        view, original = (get_trial(engine, ME, study_id, trial.number) for study_id in (again, first))
        assert view.row.score == original.row.score
        for run in view.runs:
            assert run.result is not None
            origin = run.result.origin
            assert origin is not None
            assert (origin.study_id, origin.number) == (first, trial.number)
            assert f"measured by study {first}, trial {trial.number}" in run.result.notes[-1]
            assert run.result.measurement.optimiser_steps == run.result.measurement.wall_seconds == 0
        assert replay(get_study(engine, ME, again), view).seed == replay(get_study(engine, ME, first), original).seed
    costs = spent(read_evidence(engine, ME, again))
    assert (costs.optimiser_steps, costs.tokens, costs.devices) == (0, 0, ())
    assert costs.reused_runs == costs.runs == len(runs(engine, again))


def test_result_taken_from_elsewhere_names_who_measured_it(engine):
    first, _ = measured(engine, FIRST)
    again, _ = measured(engine, second())
    # it might have been submitted before, and paused
    rows(engine, "UPDATE nas_study SET created_at = created_at - interval '1 day' WHERE id = :id RETURNING id", id=again)
    third, _ = measured(engine, second("third"))
    result = get_trial(engine, ME, third, 0).result
    assert result is not None
    assert result.origin is not None
    assert result.origin.study_id == first


@pytest.mark.parametrize(
    "changes",
    [
        {"reuse": False},
        {"protocol": Protocol(rungs=(Rung(steps=10), Rung(steps=30), Rung(steps=91)))},
    ],
    ids=["not allowed", "another protocol"],
)
def test_nothing_is_taken_where_it_may_not_be(engine, changes):
    _, expected = measured(engine, FIRST)
    _, trained = measured(engine, second(**changes))
    assert len(trained) == len(expected)


def test_nothing_is_taken_from_another_owner(engine):
    submit_study(engine, Principal("other", "you", frozenset({"read", "write"})), FIRST)
    drive(engine)
    _, trained = measured(engine, second())
    assert trained


def test_rung_that_nobody_has_measured_is_trained_from_scratch(engine):
    """The others' checkpoints have other seeds, and may be gone."""
    first, _ = measured(engine, study("first", trials=6, eta=3))
    reached = {trial.number: trial.rung for trial in trials(engine, first) if trial.twin is None}
    again, trained = measured(engine, second())
    assert {(run.number, run.rung) for run in trained} == {
        (number, rung) for number, highest in reached.items() for rung in range(highest + 1, 3)
    }
    assert {run.rung for run in trained} == {1, 2}
    for run in trained:
        own = f"studies/{again}/trials/{run.number}/rung-{run.rung - 1}/attempt-1"
        assert run.resume == (None if run.rung == reached[run.number] + 1 else own)


def test_fresh_seeds_are_always_measured(engine):
    measured(engine, FIRST.model_copy(update={"confirmation": Confirmation(seeds=2, leaders=2)}))
    _, trained = measured(engine, second(confirmation=Confirmation(seeds=2, leaders=2)))
    assert {run.rung for run in trained} == {3, 4}
    assert not any(run.reuse for run in trained)


def test_driver_killed_again_and_again_still_trains_nothing(engine):
    measured(engine, FIRST)
    study_id, seen = submit(engine, second()), Seen()
    while study_row(engine, study_id).state != "completed":
        store = FaultyStore(PostgresDriverStore(engine), after=nth(3, "write", Killed()))
        with suppress(Killed):
            drive(sharing(engine, seen, store=store, lease_seconds=0.02))
        time.sleep(0.03)
    assert_sound(engine, study_id, second())
    assert not seen


def test_store_that_is_away_costs_no_more_than_a_training(engine):
    measured(engine, FIRST)

    def away(_run):
        raise StoreUnavailable("away")

    study_id, seen = submit(engine, second()), Seen()
    drive(driver(engine, executor=Reusing(InlineExecutor(seen, 3), away)))
    assert_sound(engine, study_id, second())
    assert seen


def test_real_trainings_go_on_beside_results_taken_from_elsewhere(engine, tmp_path):
    """On disk: the other study's files stay as they are, and the rung above costs what it takes from scratch."""
    spec = study("first", trials=3, space=SMALL, protocol=QUICK, eta=3)
    first = submit(engine, spec)
    drive(driver(engine, executor=OnDisk(tmp_path)))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = submit(engine, spec.model_copy(update={"name": "second", "halving": None, "reuse": True}))
    drive(driver(engine, executor=Reusing(OnDisk(tmp_path), MeasuredElsewhere(engine).find)))
    assert study_row(engine, again).state == "completed"
    assert all(path.read_bytes() == content for path, content in files.items())
    left = next(trial.number for trial in trials(engine, first) if trial.rung == 0)
    steps = [run.result.measurement.optimiser_steps for run in get_trial(engine, ME, again, left).runs if run.result]
    assert steps == [0, 2, 1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"objectives": ["score", "peak_memory_bytes"]}, "peak_memory_bytes depends on the machine"),
        ({"baselines": ["local_search"]}, "baselines are compared at equal cost"),
    ],
)
def test_reuse_excludes_what_a_result_from_elsewhere_would_falsify(fields, words):
    with pytest.raises(Invalid, match=words):
        validate(StudySpec, study().to_data() | {"reuse": True} | fields)


@pytest.mark.parametrize("n_slots", [1, 4])
def test_no_architecture_is_trained_twice_whatever_runs_at_once_and_dies(engine, n_slots):
    """Four architectures in all, proposed again and again by drivers that die."""
    spec = study(trials=4, space=TINY, eta=None, references=("transformer",))
    study_id = submit(engine, spec)
    while study_row(engine, study_id).state not in ("completed", "failed"):
        store = FaultyStore(PostgresDriverStore(engine), after=nth(4, "write", Killed()))
        with suppress(Killed):
            drive(driver(store, n_slots=n_slots, lease_seconds=0.02))
        time.sleep(0.03)
    everybody = trials(engine, study_id)
    tried = [trial.architecture for trial in everybody if trial.state == "completed"]
    assert len(set(tried)) == len(tried) == 5
    duplicates = [trial for trial in everybody if trial.state == "duplicate"]
    assert duplicates
    assert {run.number for run in runs(engine, study_id)}.isdisjoint(trial.number for trial in duplicates)
    by_number = {trial.number: trial.architecture for trial in everybody}
    assert all(by_number[trial.twin] == trial.architecture for trial in duplicates)
