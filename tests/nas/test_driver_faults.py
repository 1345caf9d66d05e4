"""A driver that dies, loses its lease or its database: nothing is lost, nothing counts twice."""

import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise

import pytest

from nas.errors import StoreUnavailable
from nas.run import MAX_LOSSES
from nas.store.driver_store import PostgresDriverStore
from nas.store.embedded import EmbeddedPostgres
from nas.store.engine import open_engine
from nas.store.migrate import migrate
from tests.nas import pretend
from tests.nas.driving import (
    FaultyStore,
    Hurried,
    Killed,
    assert_sound,
    drive,
    drive_dying,
    driver,
    nth,
    rows,
    runs,
    study_row,
    submit,
    trials,
)
from tests.nas.spaces import TINY, study


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("eta", [3, None])
def test_driver_killed_at_any_batch_loses_and_doubles_nothing(engine, eta, moment):
    """Killed before a batch is written, or after it and before its runs are submitted; the lease ends; another goes on."""
    whole = study("whole", trials=6, eta=eta, references=("conv_attention",))
    submit(engine, whole)
    counting = FaultyStore(PostgresDriverStore(engine))
    drive(driver(counting))
    uninterrupted = _numbers(trials(engine, submit_and_find(engine, "whole")))
    for n in range(1, len(counting.batches) + 1):
        spec = whole.model_copy(update={"name": f"killed {n}"})
        study_id = submit(engine, spec)
        store = FaultyStore(PostgresDriverStore(engine), **{moment: nth(n, "write", Killed())})
        first = driver(store, lease_seconds=0.03)
        with pytest.raises(Killed):
            drive(first)
        if study_row(engine, study_id).state != "completed":
            time.sleep(0.04)
            drive(engine)
        assert_sound(engine, study_id, spec)
        resumed = _numbers(trials(engine, study_id))
        assert {n: genes for n, (genes, _) in resumed.items()} == {n: genes for n, (genes, _) in uninterrupted.items()}
        if eta is None:
            assert resumed == uninterrupted


def submit_and_find(engine, name):
    return rows(engine, "SELECT id FROM nas_study WHERE name = :name", name=name)[0].id


def _numbers(everybody):
    return {trial.number: (trial.genes, trial.score) for trial in everybody}


def test_driver_killed_again_and_again_gets_there(engine):
    """Every driver dies right after its third batch."""
    spec = study(trials=24, sampler="tpe")
    study_id = submit(engine, spec)
    assert drive_dying(engine, study_id) > 3
    assert_sound(engine, study_id, spec)
    assert not [run for run in runs(engine, study_id) if run.state == "failed"], "a lost run is no failure"


def test_driver_that_lost_its_lease_cannot_write(engine):
    spec = study(trials=8)
    study_id = submit(engine, spec)
    zombie = driver(engine, lease_seconds=0.02)
    for _ in range(3):
        zombie.step()
    time.sleep(0.03)
    heir = driver(engine)
    heir.step()
    assert heir.studies == (study_id,)
    held = rows(engine, "SELECT fence, batch_sequence FROM nas_study")
    zombie.step()
    assert zombie.studies == ()
    assert rows(engine, "SELECT fence, batch_sequence FROM nas_study") == held
    drive(heir)
    assert_sound(engine, study_id, spec)


def test_driver_gives_its_studies_back_when_told_to_stop(engine):
    spec = study(trials=8)
    study_id = submit(engine, spec)
    turns = iter(range(4))
    driver(engine, lease_seconds=60).run(lambda: next(turns, None) is None)
    assert study_row(engine, study_id).state == "running"
    drive(engine)
    assert_sound(engine, study_id, spec)
    assert Counter(run.state for run in runs(engine, study_id)).keys() <= {"succeeded", "lost"}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_driver_writes_a_batch_again_when_the_store_was_away(engine, moment):
    """The connection breaks before the commit, or after it, so that nobody knows: the same batch goes again."""
    spec = study(trials=8)
    study_id = submit(engine, spec)
    calls = Counter[str]()

    def sometimes(call):
        calls[call] += 1
        if calls[call] % 3 == 2:
            raise StoreUnavailable("away")

    store = FaultyStore(PostgresDriverStore(engine), **{moment: sometimes})
    driving = driver(store, clock=Hurried())
    for _ in range(10):
        driving.step()
    drive(driving)
    assert calls["write"] > 6
    assert_sound(engine, study_id, spec)
    assert not [run for run in runs(engine, study_id) if run.state == "lost"]


def test_driver_starts_no_run_of_a_study_that_it_could_not_take_up_to_the_end(engine):
    """The store goes away just when the driver asks what the user wants: the study waits until its lease ends."""
    study_id = submit(engine, study())
    away = nth(1, "renew", StoreUnavailable("away"))
    driving = driver(FaultyStore(PostgresDriverStore(engine), before=away), lease_seconds=0.5)
    driving.step()
    assert driving.studies == ()
    assert runs(engine, study_id) == []
    while study_row(engine, study_id).state != "completed":
        driving.step(0.01)


def test_driver_survives_a_restart_of_postgresql(server_folder):
    server = EmbeddedPostgres(server_folder)
    engine = open_engine(server.ensure_running())
    migrate(engine)
    spec = study(trials=10, eta=None)
    study_id = submit(engine, spec)
    driving = driver(engine)
    for _ in range(3):
        driving.step()
    assert driving.studies == (study_id,)
    server.stop()
    for _ in range(5):
        driving.step(0.02)
    assert driving.studies == (study_id,)
    server.ensure_running()
    while driving.studies:
        driving.step(0.02)
    assert_sound(engine, study_id, spec)
    assert {run.state for run in runs(engine, study_id)} == {"succeeded"}
    engine.dispose()
    server.stop()


def test_driver_renews_well_within_the_lease(engine):
    """Also while it replays a long history and makes slow proposals."""
    submit(engine, study(trials=40, space=TINY))
    clock = Hurried(tick=0.005)
    renewals = [0.0]

    def note(call):
        if call in ("claim", "renew"):
            renewals.append(clock.now)

    driving = driver(FaultyStore(PostgresDriverStore(engine), after=note), lease_seconds=1.0, clock=clock)
    drive(driving)
    assert len(renewals) > 5
    assert max(after - before for before, after in pairwise(renewals)) < 0.6


def test_run_that_takes_its_driver_down_each_time_fails_in_the_end(engine):
    """The others of its study go on."""
    spec = study(trials=4, eta=None)
    study_id = submit(engine, spec)

    def deadly(run):
        if run.number == 0:
            raise Killed
        return pretend.succeed(run)

    lives = 0
    while study_row(engine, study_id).state != "completed":
        lives += 1
        assert lives < 2 * MAX_LOSSES
        with suppress(Killed):
            drive(driver(engine, deadly, n_slots=1, lease_seconds=0.02))
        time.sleep(0.03)
    first, *others = trials(engine, study_id)
    assert (first.state, first.reason.split(",")[0]) == ("failed", "crash: its driver went away while it ran")
    assert [run.state for run in runs(engine, study_id) if run.number == 0] == ["lost"] * (MAX_LOSSES - 1) + ["failed"]
    assert {trial.state for trial in others} <= {"completed", "duplicate"}
    assert_sound(engine, study_id, spec)
