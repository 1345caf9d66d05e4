"""Submitting studies, once, and saying what is wanted of them."""

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from nas.errors import Conflict, Invalid, NotFound
from nas.ports import Batch
from nas.store.driver_store import PostgresDriverStore
from nas.store.reads import events_after, get_study, list_studies
from nas.store.submissions import set_wish, submit_study
from nas.study import StudyState, Wish
from tests.nas.store.examples import ADMIN, ALICE, BOB, spec


def _count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_submit_stores_the_study_exactly(engine: Engine) -> None:
    submitted = spec()
    submission = submit_study(engine, ALICE, submitted)
    view = get_study(engine, ALICE, submission.study_id)
    assert not submission.replayed
    assert view.spec == submitted
    assert view.row.digest == submitted.digest
    assert (view.row.owner, view.row.state, view.row.wish) == ("alice", StudyState.QUEUED, Wish.RUN)
    assert (view.row.progress, view.row.measured, view.row.best_score, view.row.driver_alive) == (0.0, 0, None, False)
    assert [event.kind for event in events_after(engine, ALICE, submission.study_id, 0)] == ["study.submitted"]


def test_submit_makes_ids_that_sort_by_time(engine: Engine) -> None:
    ids = [submit_study(engine, ALICE, spec()).study_id for _ in range(3)]
    assert {uuid.UUID(study_id).version for study_id in ids} == {7}
    assert {uuid.UUID(study_id).variant for study_id in ids} == {uuid.RFC_4122}
    assert [row.id for row in list_studies(engine, ALICE).items] == sorted(ids, reverse=True)


def test_submit_refuses_a_name_that_the_owner_has(engine: Engine) -> None:
    submit_study(engine, ALICE, spec("mine"))
    with pytest.raises(Conflict, match="already have a study named 'mine'"):
        submit_study(engine, ALICE, spec("mine"))
    submit_study(engine, BOB, spec("mine"))
    assert _count(engine, "nas_study") == 2


def test_submit_with_the_same_key_gives_the_same_study(engine: Engine) -> None:
    first = submit_study(engine, ALICE, spec("once"), "key")
    again = submit_study(engine, ALICE, spec("once"), "key")
    assert again.study_id == first.study_id
    assert (first.replayed, again.replayed) == (False, True)
    assert _count(engine, "nas_study") == 1
    assert _count(engine, "nas_event") == 1


def test_submit_with_the_same_key_and_another_spec_is_a_conflict(engine: Engine) -> None:
    submit_study(engine, ALICE, spec("one"), "key")
    with pytest.raises(Conflict, match="take a new key"):
        submit_study(engine, ALICE, spec("two"), "key")
    assert _count(engine, "nas_study") == 1


def test_submit_keys_belong_to_their_owner(engine: Engine) -> None:
    mine, theirs = submit_study(engine, ALICE, spec("x"), "key"), submit_study(engine, BOB, spec("x"), "key")
    assert mine.study_id != theirs.study_id


def test_submit_that_fails_leaves_its_key_free(engine: Engine) -> None:
    submit_study(engine, ALICE, spec("taken"))
    with pytest.raises(Conflict):
        submit_study(engine, ALICE, spec("taken"), "key")
    assert _count(engine, "nas_idempotency") == 0
    assert not submit_study(engine, ALICE, spec("free"), "key").replayed


@pytest.mark.parametrize("key", ["", "x" * 201, "new\nline", "NUL\0", "snow\N{SNOWMAN}"])
def test_submit_refuses_a_bad_key(engine: Engine, key: str) -> None:
    with pytest.raises(Invalid, match="Idempotency-Key"):
        submit_study(engine, ALICE, spec(), key)
    assert _count(engine, "nas_study") == 0


def test_submit_fifty_times_at_once_makes_one_study(engine: Engine) -> None:
    submitted = spec()
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: submit_study(engine, ALICE, submitted, "key"), range(50)))
    assert len({submission.study_id for submission in made}) == 1
    assert Counter(submission.replayed for submission in made) == {False: 1, True: 49}
    assert _count(engine, "nas_study") == 1


def test_submit_fifty_times_at_once_without_a_key_makes_one_study(engine: Engine) -> None:
    submitted = spec()

    def submit(_: int) -> bool:
        try:
            submit_study(engine, ALICE, submitted)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(submit, range(50))) == 1
    assert _count(engine, "nas_study") == 1


def test_wish_is_stored_once_with_its_event(engine: Engine) -> None:
    study_id = submit_study(engine, ALICE, spec()).study_id
    set_wish(engine, ALICE, study_id, Wish.PAUSE)
    set_wish(engine, ALICE, study_id, Wish.PAUSE)
    assert get_study(engine, ALICE, study_id).row.wish is Wish.PAUSE
    set_wish(engine, ADMIN, study_id, Wish.RUN)
    events = events_after(engine, ALICE, study_id, 1)
    assert [(event.seq, event.kind, event.data) for event in events] == [
        (2, "study.wish", {"wish": "pause"}),
        (3, "study.wish", {"wish": "run"}),
    ]


@pytest.mark.parametrize("wish", [Wish.RUN, Wish.PAUSE])
def test_wish_to_go_on_is_refused_once_stopping(engine: Engine, wish: Wish) -> None:
    study_id = submit_study(engine, ALICE, spec()).study_id
    set_wish(engine, ALICE, study_id, Wish.STOP)
    set_wish(engine, ALICE, study_id, Wish.STOP)
    with pytest.raises(Conflict, match="stopping"):
        set_wish(engine, ALICE, study_id, wish)


@pytest.mark.parametrize("wish", list(Wish))
def test_wish_is_refused_for_a_final_study(engine: Engine, wish: Wish) -> None:
    study_id = submit_study(engine, ALICE, spec()).study_id
    store = PostgresDriverStore(engine)
    claim = store.claim("driver", 60)
    assert claim is not None
    store.write(claim, Batch(sequence=1, study_state=StudyState.FAILED))
    with pytest.raises(Conflict, match="is failed and stays so"):
        set_wish(engine, ALICE, study_id, wish)


def test_wish_for_a_foreign_study_is_the_same_as_for_none(engine: Engine) -> None:
    study_id = submit_study(engine, ALICE, spec()).study_id
    for asked in (study_id, "no such study"):
        with pytest.raises(NotFound, match="there is no study"):
            set_wish(engine, BOB, asked, Wish.STOP)
    assert get_study(engine, ALICE, study_id).row.wish is Wish.RUN
