"""One writer per study: claims, leases, fences and batches, on a real server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from nas.errors import StaleFence, StoreUnavailable
from nas.ports import Batch, Claim, Event, History, Move
from nas.run import RunKey, RunState
from nas.store.driver_store import PostgresDriverStore
from nas.store.engine import open_engine
from nas.store.reads import events_after, get_study, get_trial, pareto
from nas.store.submissions import set_wish, submit_study
from nas.store.transitions import IllegalTransition
from nas.study import StudyState, Wish
from nas.trial import TrialState
from tests.nas.store.examples import (
    ALICE,
    architecture,
    claimed,
    end_other_connections,
    failed,
    result,
    spec,
    started,
    succeeded,
    trial,
    write_trials,
)


@pytest.fixture
def store(engine: Engine) -> PostgresDriverStore:
    return PostgresDriverStore(engine)


def _expire(engine: Engine, study_id: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE nas_study SET lease_expires = clock_timestamp() - interval '1 ms' WHERE id = :id"), {"id": study_id}
        )


def _everything(engine: Engine) -> list[object]:
    """All rows of all tables, leases included."""
    with engine.connect() as connection:
        return [
            connection.execute(text(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1")).scalars().all()
            for table in ("nas_study", "nas_trial", "nas_run", "nas_event", "nas_architecture")
        ]


# claims and leases


def test_claim_gives_the_oldest_free_study(store: PostgresDriverStore) -> None:
    first = submit_study(store.engine, ALICE, spec()).study_id
    second = submit_study(store.engine, ALICE, spec()).study_id
    claims = [store.claim("driver", 60) for _ in range(3)]
    assert [claim and claim.study_id for claim in claims] == [first, second, None]


def test_claim_gives_the_spec_as_it_was_submitted(store: PostgresDriverStore) -> None:
    submitted = spec()
    submit_study(store.engine, ALICE, submitted)
    claim = store.claim("driver", 60)
    assert claim is not None
    assert claim.spec == submitted
    assert claim.spec.digest == submitted.digest
    assert (claim.state, claim.fence) == (StudyState.QUEUED, 1)


def test_claim_takes_a_study_whose_lease_ended_with_a_higher_fence(store: PostgresDriverStore) -> None:
    old = claimed(store)
    assert store.claim("other", 60) is None
    _expire(store.engine, old.study_id)
    new = store.claim("other", 60)
    assert new is not None
    assert (new.study_id, new.fence) == (old.study_id, old.fence + 1)


def test_claim_leaves_final_studies_alone(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    store.write(claim, Batch(sequence=1, study_state=StudyState.STOPPED))
    assert store.claim("other", 60) is None


def test_claim_never_gives_one_study_to_two_drivers(store: PostgresDriverStore) -> None:
    ids = {submit_study(store.engine, ALICE, spec()).study_id for _ in range(20)}
    with ThreadPoolExecutor(8) as pool:
        claims = [claim for claim in pool.map(lambda n: store.claim(f"driver {n}", 60), range(40)) if claim]
    assert sorted(claim.study_id for claim in claims) == sorted(ids)


def test_claim_fails_a_study_it_cannot_read_and_goes_on(store: PostgresDriverStore) -> None:
    unreadable = submit_study(store.engine, ALICE, spec()).study_id
    readable = submit_study(store.engine, ALICE, spec()).study_id
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE nas_study SET spec = '{}' WHERE id = :id"), {"id": unreadable})
    claim = store.claim("driver", 60)
    assert claim is not None
    assert claim.study_id == readable
    with store.engine.connect() as connection:
        row = connection.execute(text("SELECT state, reason FROM nas_study WHERE id = :id"), {"id": unreadable}).one()
    assert row.state == "failed"
    assert "submit it again" in row.reason


def test_renew_extends_the_lease_and_says_what_the_user_wants(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    assert store.renew(claim, 60) is Wish.RUN
    set_wish(store.engine, ALICE, claim.study_id, Wish.PAUSE)
    _expire(store.engine, claim.study_id)
    assert store.renew(claim, 60) is Wish.PAUSE
    assert store.claim("other", 60) is None


def test_release_lets_any_driver_claim_at_once(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    store.release(claim)
    assert not get_study(store.engine, ALICE, claim.study_id).row.driver_alive
    again = store.claim("other", 60)
    assert again is not None
    assert again.study_id == claim.study_id


# the fence


def _stale_claim(store: PostgresDriverStore) -> Claim:
    old = claimed(store)
    write_trials(store, old, [trial(0)])
    _expire(store.engine, old.study_id)
    assert store.claim("other", 60) is not None
    return old


def test_write_with_a_stale_fence_changes_nothing(store: PostgresDriverStore) -> None:
    old = _stale_claim(store)
    before = _everything(store.engine)
    batch = Batch(
        sequence=2, trials=(trial(1),), moves=(Move(number=0, state=TrialState.RUNNING),), events=(Event(kind="x", data={}),)
    )
    with pytest.raises(StaleFence):
        store.write(old, batch)
    assert _everything(store.engine) == before


def test_stale_claim_can_do_nothing_else_either(store: PostgresDriverStore) -> None:
    old = _stale_claim(store)
    before = _everything(store.engine)
    with pytest.raises(StaleFence):
        store.renew(old, 60)
    with pytest.raises(StaleFence):
        store.release(old)
    with pytest.raises(StaleFence):
        store.history(old)
    assert _everything(store.engine) == before


def test_write_waits_for_a_claim_in_flight_and_then_sees_its_fence(store: PostgresDriverStore) -> None:
    old = claimed(store)
    outcome: list[type[BaseException] | None] = []

    def write() -> None:
        try:
            store.write(old, Batch(sequence=1, trials=(trial(0),)))
            outcome.append(None)
        except StaleFence:
            outcome.append(StaleFence)

    with store.engine.begin() as connection:
        connection.execute(text("UPDATE nas_study SET fence = fence + 1 WHERE id = :id"), {"id": old.study_id})
        writer = threading.Thread(target=write)
        writer.start()
        writer.join(timeout=0.2)
        assert writer.is_alive()
    writer.join()
    assert outcome == [StaleFence]


# batches


def test_write_applies_a_batch_once_however_often_it_is_written(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    batch = Batch(sequence=1, trials=(trial(0),), runs=(), events=(Event(kind="trial.proposed", data={"number": 0}),))
    store.write(claim, batch)
    before = _everything(store.engine)
    store.write(claim, batch)
    assert _everything(store.engine) == before


def test_write_refuses_a_batch_that_skips_a_sequence(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    with pytest.raises(IllegalTransition, match="send 1"):
        store.write(claim, Batch(sequence=2, trials=(trial(0),)))


def test_write_keeps_sequence_and_events_over_a_new_claim(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    store.write(claim, Batch(sequence=1, events=(Event(kind="a", data={}), Event(kind="b", data={"n": [1, None]}))))
    store.release(claim)
    again = store.claim("other", 60)
    assert again is not None
    assert store.history(again).last_sequence == 1
    store.write(again, Batch(sequence=2, events=(Event(kind="c", data={}),)))
    events = events_after(store.engine, ALICE, claim.study_id, 0)
    assert [(event.seq, event.kind) for event in events] == [(1, "study.submitted"), (2, "a"), (3, "b"), (4, "c")]
    assert events[2].data == {"n": [1, None]}


def test_write_is_whole_or_nothing(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    before = _everything(store.engine)
    with pytest.raises(IllegalTransition):
        store.write(claim, Batch(sequence=1, trials=(trial(0),), runs=(succeeded(claim.study_id, 0, 0.5),)))
    assert _everything(store.engine) == before


def test_write_stores_text_that_the_database_would_refuse(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0)])
    store.write(
        claim,
        Batch(
            sequence=2,
            moves=(
                Move(number=0, state=TrialState.RUNNING),
                Move(number=0, state=TrialState.FAILED, reason="nul \0 and \udc80"),
            ),
            runs=(started(claim.study_id, 0), failed(claim.study_id, 0, "a \0 in the output")),
            events=(Event(kind="run.failed", data={"message\0": ["\ud800"]}),),
        ),
    )
    shown = get_trial(store.engine, ALICE, claim.study_id, 0)
    assert shown.row.reason == "nul \ufffd and \ufffd"
    assert shown.runs[0].failure is not None
    assert shown.runs[0].failure.message == "a \0 in the output"
    assert events_after(store.engine, ALICE, claim.study_id, 0)[-1].data == {"message\ufffd": ["\ufffd"]}


def test_write_says_when_the_database_is_away(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    away = PostgresDriverStore(open_engine("postgresql://nas@127.0.0.1:1/none"))
    with pytest.raises(StoreUnavailable):
        away.write(claim, Batch(sequence=1))


def test_write_goes_on_after_its_connection_was_ended(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    end_other_connections(store.engine)
    write_trials(store, claim, [trial(0)])
    assert len(store.history(claim).trials) == 1


# trials


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
    assert row.evaluated == 3
    store.write(
        claim, Batch(sequence=2, moves=(Move(number=1, state=TrialState.PRUNED), Move(number=6, state=TrialState.CANCELLED)))
    )
    row = get_study(store.engine, ALICE, claim.study_id).row
    assert row.counts == {
        TrialState.COMPLETED: 2, TrialState.PRUNED: 1, TrialState.FAILED: 1,
        TrialState.INFEASIBLE: 1, TrialState.DUPLICATE: 1, TrialState.CANCELLED: 1,
    }  # fmt: skip
    assert row.evaluated == 3


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
        (TrialState.QUEUED, TrialState.COMPLETED),
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
    before = _everything(store.engine)
    with pytest.raises(IllegalTransition, match="trial 0"):
        store.write(claim, Batch(sequence=2, moves=(Move(number=0, state=new),)))
    with pytest.raises(IllegalTransition, match="trial 0"):
        store.write(claim, Batch(sequence=2, trials=(trial(0, new, score=0.5),)))
    assert _everything(store.engine) == before


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


# runs


def test_write_refuses_a_second_success_of_a_rung(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0, TrialState.RUNNING)])
    of = claim.study_id
    store.write(claim, Batch(sequence=2, runs=(started(of, 0), started(of, 0, attempt=2), succeeded(of, 0, 0.5))))
    before = _everything(store.engine)
    with pytest.raises(IllegalTransition, match="has a result at rung 0 already"):
        store.write(claim, Batch(sequence=3, runs=(succeeded(of, 0, 0.6, attempt=2),)))
    with pytest.raises(IllegalTransition, match="final"):
        store.write(claim, Batch(sequence=3, runs=(succeeded(of, 0, 0.6),)))
    assert _everything(store.engine) == before


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


# studies


def test_write_moves_the_study_along_its_table(store: PostgresDriverStore) -> None:
    claim = claimed(store)
    store.write(claim, Batch(sequence=1, study_state=StudyState.RUNNING))
    running = get_study(store.engine, ALICE, claim.study_id).row
    assert (running.state, running.started_at is None, running.ended_at) == (StudyState.RUNNING, False, None)
    with pytest.raises(IllegalTransition, match="is running and cannot become queued"):
        store.write(claim, Batch(sequence=2, study_state=StudyState.QUEUED))
    store.write(claim, Batch(sequence=2, study_state=StudyState.COMPLETED, reason="budget spent"))
    ended = get_study(store.engine, ALICE, claim.study_id).row
    assert (ended.state, ended.reason, ended.progress, ended.driver_alive) == (StudyState.COMPLETED, "budget spent", 1.0, False)
    assert ended.ended_at is not None


@pytest.mark.parametrize(("user", "after"), [(Wish.RUN, Wish.PAUSE), (Wish.STOP, Wish.STOP)])
def test_write_replaces_the_wish_only_where_the_user_wants_it_to_run(
    store: PostgresDriverStore, user: Wish, after: Wish
) -> None:
    claim = claimed(store)
    set_wish(store.engine, ALICE, claim.study_id, user)
    store.write(claim, Batch(sequence=1, wish=Wish.PAUSE))
    assert store.renew(claim, 60) is after


# history


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
    assert (zero.state, zero.scores, zero.folder) == (TrialState.RUNNING, (0.4,), "trial-0/rung-0/attempt-2")
    assert (zero.attempts, zero.failures) == (2, 1)
    assert (one.scores, one.folder, one.attempts, one.failures) == ((), None, 1, 0)
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
    assert (zero.scores, zero.folder) == ((0.0, 0.1, 0.2), "trial-0/rung-2/attempt-1")


def test_history_of_a_new_study_is_empty(store: PostgresDriverStore) -> None:
    assert store.history(claimed(store)) == History()


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
