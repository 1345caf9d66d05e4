"""Same study, same seed: the same numbers, with real training on the CPU, however often its driver dies on the way."""

import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from random import Random

import pytest

from nas.export.bundle import Source, write_folder
from nas.export.replay import replay
from nas.protocol import Protocol, Recipe, Rung
from nas.samplers import TPE
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import get_study, get_trial, leaderboard
from nas.study import Budget, Confirmation, Halving, StudySpec
from nas.tasks import MQAR
from search_spaces.architecture import TokenInput
from search_spaces.space import Space
from tests.nas.driving import ME, FaultyStore, Killed, assert_sound, drive, driver, nth, runs, study_row, submit, trials
from workers.evaluate import evaluate
from workers.verify import verify

SPEC = StudySpec(
    name="whole",
    space=Space(
        name="small",
        input=TokenInput(vocab_size=16),
        genes={"d_model": (8, 16), "depth": (1, 2), "attention_ratio": (0.0, 1.0), "linear_mixer": ("short_conv", "retnet")},
    ),
    protocol=Protocol(
        tasks=(MQAR(vocab_size=16, sequence_length=16, n_pairs=2, n_validation=32, n_test=64),),
        rungs=(Rung(steps=2), Rung(steps=5)),
        learning_rates=(0.003, 0.01),
        recipe=Recipe(batch_size=8),
    ),
    objectives=("score", "mqar/macro_accuracy"),
    sampler=TPE(n_startup=2),
    halving=Halving(eta=2),
    confirmation=Confirmation(seeds=3, leaders=2),
    references=("transformer",),
    budget=Budget(trials=4),
    seed=9,
)


def evaluation(folder):
    return partial(evaluate, workspace=folder, data_root=None)


def numbers(engine, study_id):
    """Everything that is a number of the study, but how long it took."""
    timed = ("train_tokens_per_second", "peak_memory_bytes")

    def untimed(metrics):
        return {name: value for name, value in (metrics or {}).items() if name not in timed}

    rows = [
        (t.number, t.state, t.genes, t.architecture, t.rung, t.score, t.score_low, t.score_high, untimed(t.metrics), t.pareto)
        for t in trials(engine, study_id)
    ]
    results = [
        (run.number, run.rung, run.score, run.validation_score, untimed(run.search_metrics))
        for run in runs(engine, study_id)
        if run.state == "succeeded"
    ]
    board = [(row.rank, row.trial.number, row.trial.score) for row in leaderboard(engine, ME, study_id, limit=100).items]
    return rows, results, board


@pytest.fixture
def whole(engine, tmp_path):
    study_id = submit(engine, SPEC)
    drive(driver(engine, evaluation(tmp_path), n_slots=1))
    assert_sound(engine, study_id, SPEC)
    return study_id


def test_study_run_twice_or_killed_on_the_way_has_the_same_numbers(engine, whole, tmp_path):
    expected = numbers(engine, whole)
    assert any(row[4] == 2 for row in expected[0]), "some were confirmed"
    rng = Random(1)
    for name, deaths in (("again", 0), ("killed", 6)):
        spec = SPEC.model_copy(update={"name": name})
        study_id = submit(engine, spec)
        while study_row(engine, study_id).state != "completed":
            moment = {rng.choice(["before", "after"]): nth(rng.randint(1, 6), "write", Killed())} if deaths else {}
            deaths -= 1
            store = FaultyStore(PostgresDriverStore(engine), **moment)
            with suppress(Killed):
                drive(driver(store, evaluation(tmp_path), n_slots=1, lease_seconds=0.02 if moment else 5.0))
            time.sleep(0.03 if moment else 0)
        assert_sound(engine, study_id, spec)
        assert numbers(engine, study_id) == expected, name


def test_bundle_of_a_confirmed_trial_verifies_and_repeats_its_first_fresh_seed(engine, whole, tmp_path):
    number = study_row(engine, whole).best_number
    assert number is not None
    study, trial = get_study(engine, ME, whole), get_trial(engine, ME, whole, number)
    assert trial.row.rung == 2
    assert trial.result is not None
    write_folder(Source(study=study, trial=trial, workspace=tmp_path, created=datetime.now(UTC)), tmp_path / "bundle")
    checks = list(verify(tmp_path / "bundle", None))
    assert [check for check in checks if check.status != "ok"] == []
    again = evaluate(replay(study, trial), tmp_path / "elsewhere", None).result
    assert again is not None
    assert [task.values for task in again.tasks] == [task.values for task in trial.result.tasks]
    text = (tmp_path / "bundle" / "README.md").read_text()
    assert f"measured to 5 optimiser steps with {trial.row.n_replicas} fresh seed(s)" in text
    assert f"Score {trial.row.score:.4f}" in text
