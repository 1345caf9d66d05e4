"""Runs as rows: each attempt once, one success for each rung, results whole."""

import pytest

from nas.ports import Batch
from nas.run import RunState
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import get_trial
from nas.store.transitions import IllegalTransition
from nas.trial import TrialState
from tests.nas.store.examples import (
    ALICE,
    claimed,
    everything,
    result,
    started,
    succeeded,
    trial,
    write_trials,
)


def test_write_refuses_a_second_success_of_a_rung(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0, TrialState.RUNNING)])
    of = claim.study_id
    store.write(claim, Batch(sequence=2, runs=(started(of, 0), started(of, 0, attempt=2), succeeded(of, 0, 0.5))))
    before = everything(store.engine)
    with pytest.raises(IllegalTransition, match="has a result at rung 0 already"):
        store.write(claim, Batch(sequence=3, runs=(succeeded(of, 0, 0.6, attempt=2),)))
    with pytest.raises(IllegalTransition, match="final"):
        store.write(claim, Batch(sequence=3, runs=(succeeded(of, 0, 0.6),)))
    assert everything(store.engine) == before


def test_write_refuses_a_run_that_never_started(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0, TrialState.RUNNING)])
    with pytest.raises(IllegalTransition, match="cannot begin as succeeded"):
        store.write(claim, Batch(sequence=2, runs=(succeeded(claim.study_id, 0, 0.5),)))


def test_write_refuses_a_run_of_another_study(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0, TrialState.RUNNING)])
    with pytest.raises(IllegalTransition, match="belongs to study"):
        store.write(claim, Batch(sequence=2, runs=(started("another", 0),)))


def test_run_results_come_back_whole(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    of = claim.study_id
    write_trials(store, claim, [trial(0, TrialState.COMPLETED, score=0.5)])
    store.write(claim, Batch(sequence=2, runs=(started(of, 0), succeeded(of, 0, 0.5))))
    shown = get_trial(store.engine, ALICE, of, 0)
    assert shown.result == result(0.5, folder="trial-0/rung-0/attempt-1")
    assert shown.runs[0].state is RunState.SUCCEEDED
    assert shown.runs[0].ended_at is not None
    assert shown.row.n_replicas == 2
