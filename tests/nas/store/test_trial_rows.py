"""Trials as rows: counted, moved along their table, and read back as standings."""

import pytest
from sqlalchemy import text

from nas.ports import Batch, History, Move
from nas.run import RunKey
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import get_study, get_trial, pareto
from nas.store.transitions import IllegalTransition
from nas.trial import TrialState
from tests.nas.store.examples import (
    ALICE,
    architecture,
    claimed,
    everything,
    failed,
    started,
    succeeded,
    trial,
    write_trials,
)


def test_write_counts_trials_and_evaluations(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(
        store,
        claim,
        [
            trial(0, TrialState.COMPLETED, score=0.5),
            trial(1, TrialState.PAUSED, score=0.4),
            trial(2, TrialState.FAILED),
            trial(3, TrialState.COMPLETED, score=0.9, reference="transformer"),
            trial(4, TrialState.INFEASIBLE),
            trial(5, TrialState.DUPLICATE),
            trial(6),
        ],
    )
    row = get_study(store.engine, ALICE, claim.study_id).row
    assert row.counts == {
        TrialState.COMPLETED: 2, TrialState.PAUSED: 1, TrialState.FAILED: 1,
        TrialState.INFEASIBLE: 1, TrialState.DUPLICATE: 1, TrialState.QUEUED: 1,
    }  # fmt: skip
    assert row.measured == 3
    store.write(
        claim, Batch(sequence=2, moves=(Move(number=1, state=TrialState.PRUNED), Move(number=6, state=TrialState.CANCELLED)))
    )
    row = get_study(store.engine, ALICE, claim.study_id).row
    assert row.counts == {
        TrialState.COMPLETED: 2, TrialState.PRUNED: 1, TrialState.FAILED: 1,
        TrialState.INFEASIBLE: 1, TrialState.DUPLICATE: 1, TrialState.CANCELLED: 1,
    }  # fmt: skip
    assert row.measured == 3


def test_write_moves_come_after_rows_and_pass_through_every_state(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0, TrialState.RUNNING)])
    promote = (Move(number=0, state=TrialState.QUEUED, reason="promoted"), Move(number=0, state=TrialState.RUNNING))
    store.write(claim, Batch(sequence=2, trials=(trial(0, TrialState.PAUSED, score=0.5),), moves=promote))
    row = get_trial(store.engine, ALICE, claim.study_id, 0).row
    assert (row.state, row.score, row.rung, row.reason) == (TrialState.RUNNING, 0.5, 0, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TrialState.COMPLETED, TrialState.RUNNING),
        (TrialState.COMPLETED, TrialState.COMPLETED),
        (TrialState.QUEUED, TrialState.PAUSED),
        (TrialState.PAUSED, TrialState.RUNNING),
        (TrialState.INFEASIBLE, TrialState.QUEUED),
    ],
)
def test_write_refuses_what_the_trial_table_does_not_allow(
    store: PostgresDriverStore, old: TrialState, new: TrialState
) -> None:
    claim = claimed(store)
    score = 0.5 if old in (TrialState.COMPLETED, TrialState.PAUSED) else None
    write_trials(store, claim, [trial(0, old, score=score)])
    before = everything(store.engine)
    with pytest.raises(IllegalTransition, match="trial 0"):
        store.write(claim, Batch(sequence=2, moves=(Move(number=0, state=new),)))
    with pytest.raises(IllegalTransition, match="trial 0"):
        store.write(claim, Batch(sequence=2, trials=(trial(0, new, score=0.5),)))
    assert everything(store.engine) == before


def test_write_refuses_a_move_of_a_trial_that_is_not_there(store: PostgresDriverStore) -> None:
    with pytest.raises(IllegalTransition, match="cannot begin as running"):
        store.write(claimed(store), Batch(sequence=1, moves=(Move(number=7, state=TrialState.RUNNING),)))


def test_write_sets_the_pareto_flag_and_nothing_else(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(n, TrialState.COMPLETED, score=n / 10) for n in range(4)])
    store.write(claim, Batch(sequence=2, pareto=((1, True), (3, True))))
    assert [row.number for row in pareto(store.engine, ALICE, claim.study_id)] == [3, 1]
    store.write(claim, Batch(sequence=3, pareto=((3, False),)))
    assert [row.number for row in pareto(store.engine, ALICE, claim.study_id)] == [1]
    assert pareto(store.engine, ALICE, claim.study_id)[0].state is TrialState.COMPLETED


def test_write_keeps_one_document_for_equal_architectures(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(n, d_model=32 if n % 2 else 64) for n in range(6)])
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM nas_architecture")).scalar_one() == 2
    assert get_trial(store.engine, ALICE, claim.study_id, 1).architecture == architecture(32)


def test_history_is_what_a_driver_needs_to_go_on(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    of = claim.study_id
    write_trials(
        store, claim, [trial(0, TrialState.RUNNING), trial(1, TrialState.RUNNING, d_model=32), trial(2, reference="x")]
    )
    store.write(
        claim,
        Batch(
            sequence=2,
            trials=tuple(trial(0, state, score=0.4) for state in (TrialState.PAUSED, TrialState.QUEUED, TrialState.RUNNING)),
            runs=(
                started(of, 0), failed(of, 0), started(of, 0, attempt=2), succeeded(of, 0, 0.4, attempt=2),
                started(of, 0, rung=1), failed(of, 0, rung=1), started(of, 0, rung=1, attempt=2),
                started(of, 1),
            ),
        ),
    )  # fmt: skip
    history = store.history(claim)
    assert history.last_sequence == 2
    assert history.running == (RunKey(of, 0, 1, 2), RunKey(of, 1, 0, 1))
    zero, one, two = history.trials
    assert (zero.state, zero.reported, zero.folders) == (TrialState.RUNNING, ({"score": 0.4},), ("trial-0/rung-0/attempt-2",))
    assert zero.searched == ({"score": 0.4 + 0.01},)
    assert (zero.attempts, zero.failures) == (2, 1)
    assert (one.reported, one.folders, one.attempts, one.failures) == ((), (), 1, 0)
    assert (two.reference, two.attempts) == ("x", 0)
    assert one.digest == architecture(32).digest
    assert one.params == trial(1, d_model=32).params
    assert one.cost == trial(1).cost


def test_history_scores_are_in_order_of_rung(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    of = claim.study_id
    write_trials(store, claim, [trial(0, TrialState.RUNNING)])
    runs = [record for rung in (0, 1, 2) for record in (started(of, 0, rung), succeeded(of, 0, rung / 10, rung))]
    store.write(claim, Batch(sequence=2, runs=tuple(runs)))
    (zero,) = store.history(claim).trials
    assert [metrics["score"] for metrics in zero.reported] == [0.0, 0.1, 0.2]
    assert zero.folders == tuple(f"trial-0/rung-{rung}/attempt-1" for rung in (0, 1, 2))


def test_history_of_a_new_study_is_empty(store: PostgresDriverStore) -> None:
    assert store.history(claimed(store)) == History()
