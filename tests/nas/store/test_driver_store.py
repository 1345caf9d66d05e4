"""One writer per study: claims, leases, fences and batches, on a real server."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from nas.errors import StaleFence, StoreUnavailable
from nas.ports import Batch, Claim, Event, Move
from nas.store.driver_store import PostgresDriverStore
from nas.store.engine import open_engine
from nas.store.reads import events_after, get_study, get_trial
from nas.store.submissions import set_wish, submit_study
from nas.store.transitions import IllegalTransition
from nas.study import StudyState, Wish
from nas.trial import TrialState
from tests.nas.store.examples import (
    ADMIN,
    ALICE,
    claimed,
    end_other_connections,
    everything,
    failed,
    spec,
    started,
    succeeded,
    trial,
    write_trials,
)


def _expire(engine: Engine, study_id: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE nas_study SET lease_expires = clock_timestamp() - interval '1 ms' WHERE id = :id"), {"id": study_id}
        )


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


def _opened(store: PostgresDriverStore) -> Claim:
    """A study with trials in every state that is not final, two of them with runs in flight."""
    claim = claimed(store)
    of = claim.study_id
    states = (TrialState.RUNNING, TrialState.RUNNING, TrialState.QUEUED, TrialState.PAUSED, TrialState.COMPLETED)
    scores = (None, None, None, 0.4, 0.5)
    write_trials(
        store, claim, [trial(n, state, score=score) for n, (state, score) in enumerate(zip(states, scores, strict=True))]
    )
    running = Batch(sequence=2, runs=(started(of, 0), started(of, 1)), study_state=StudyState.RUNNING)
    store.write(claim, running)
    return claim


def _fail_by_its_driver(store: PostgresDriverStore, claim: Claim) -> None:
    event = Event(kind="study.state", data={"state": "failed"})
    store.write(claim, Batch(sequence=3, study_state=StudyState.FAILED, reason="a defect", events=(event,)))


def _fail_unread(store: PostgresDriverStore, claim: Claim) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE nas_study SET spec = '{}' WHERE id = :id"), {"id": claim.study_id})
    _expire(store.engine, claim.study_id)
    assert store.claim("driver", 60) is None


@pytest.mark.parametrize("fail", [_fail_by_its_driver, _fail_unread])
def test_study_that_fails_leaves_nothing_open(
    store: PostgresDriverStore, fail: Callable[[PostgresDriverStore, Claim], None]
) -> None:
    claim = _opened(store)
    fail(store, claim)
    with store.engine.connect() as connection:
        row = connection.execute(text("SELECT state, counts, measured FROM nas_study")).one()
        states = list(connection.execute(text("SELECT state FROM nas_trial ORDER BY number")).scalars())
        runs = list(connection.execute(text("SELECT state FROM nas_run")).scalars())
    assert states == ["cancelled"] * 4 + ["completed"]
    assert runs == ["lost", "lost"]
    assert (row.state, row.counts, row.measured) == ("failed", {"cancelled": 4, "completed": 1}, 2)
    told = [(event.kind, event.data.get("state")) for event in events_after(store.engine, ADMIN, claim.study_id, 0)]
    assert told[-7:] == [("run.ended", "lost")] * 2 + [("trial.state", "cancelled")] * 4 + [("study.state", "failed")]


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
    before = everything(store.engine)
    batch = Batch(
        sequence=2, trials=(trial(1),), moves=(Move(number=0, state=TrialState.RUNNING),), events=(Event(kind="x", data={}),)
    )
    with pytest.raises(StaleFence):
        store.write(old, batch)
    assert everything(store.engine) == before


def test_stale_claim_can_do_nothing_else_either(store: PostgresDriverStore) -> None:
    old = _stale_claim(store)
    before = everything(store.engine)
    with pytest.raises(StaleFence):
        store.renew(old, 60)
    with pytest.raises(StaleFence):
        store.release(old)
    with pytest.raises(StaleFence):
        store.history(old)
    assert everything(store.engine) == before


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
    before = everything(store.engine)
    store.write(claim, batch)
    assert everything(store.engine) == before


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
    before = everything(store.engine)
    with pytest.raises(IllegalTransition):
        store.write(claim, Batch(sequence=1, trials=(trial(0),), runs=(succeeded(claim.study_id, 0, 0.5),)))
    assert everything(store.engine) == before


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
