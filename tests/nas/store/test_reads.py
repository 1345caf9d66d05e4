"""The read side: whose studies, which rows, in what order, page by page."""

import base64
import random
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from typing import Any, get_args

import pytest
from sqlalchemy import Engine

from nas.errors import Invalid, NotFound
from nas.ports import Batch, Claim
from nas.store.driver_store import PostgresDriverStore
from nas.store.keyset import BEST_FIRST, EVERY_SCORED
from nas.store.reads import (
    MAX_PAGE,
    Between,
    Filter,
    Sort,
    SortName,
    events_after,
    get_study,
    get_trial,
    leaderboard,
    list_studies,
    list_trials,
    pareto,
    totals,
)
from nas.store.submissions import submit_study
from nas.store.views import LeaderboardRow, Page, TrialRow
from nas.study import StudyState
from nas.trial import Trial, TrialState
from search_spaces.primitives import Cost
from tests.nas.store.examples import (
    ADMIN,
    ALICE,
    BOB,
    architecture,
    claimed,
    spec,
    started,
    succeeded,
    trial,
    write_trials,
)

Fetch = Callable[[str | None], Page[Any]]


@pytest.fixture
def filled(store: PostgresDriverStore) -> Claim:
    """A study with ties in every column, rungs, references, and trials without a score."""
    claim = claimed(store)
    draw = random.Random(0)
    write_trials(store, claim, [_drawn(number, draw) for number in range(120)])
    store.write(claim, Batch(sequence=2, pareto=tuple((number, True) for number in range(0, 120, 7))))
    return claim


def _drawn(number: int, draw: random.Random) -> Trial:
    state = draw.choice([TrialState.COMPLETED, TrialState.PAUSED, TrialState.FAILED, TrialState.QUEUED])
    scored = state in (TrialState.COMPLETED, TrialState.PAUSED)
    costs = [draw.choice([1, 2, 3]) * 10**9 for _ in range(4)]
    return trial(
        number,
        state,
        score=draw.choice([0.1, 0.2, 1 / 3, 0.5]) if scored else None,
        rung=draw.choice([0, 1, 2]),
        reference="transformer" if number % 10 == 0 else None,
        cost=Cost(params=costs[0], active_params=costs[1], flops_per_token=costs[2], state_bytes=costs[3]),
    )


def _pages(fetch: Fetch) -> Iterator[Any]:
    cursor = None
    while True:
        page = fetch(cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _rows(
    engine: Engine, study_id: str, limit: int = 7, sort: Sort = BEST_FIRST, where: Filter = EVERY_SCORED
) -> list[LeaderboardRow]:
    return list(_pages(lambda cursor: leaderboard(engine, ALICE, study_id, sort=sort, where=where, limit=limit, cursor=cursor)))


def _all_trials(engine: Engine, study_id: str) -> list[TrialRow]:
    return list(_pages(lambda cursor: list_trials(engine, ALICE, study_id, limit=50, cursor=cursor)))


def _value(row: TrialRow, by: SortName) -> Any:
    if by == "rank":
        return (row.rung, row.score, -row.number)
    return getattr(row, by) if by in ("score", "number") else getattr(row.cost, by)


# owners


def test_foreign_study_looks_like_none_everywhere(engine: Engine, filled: Claim) -> None:
    reads: tuple[Callable[[str], Any], ...] = (
        lambda study_id: get_study(engine, BOB, study_id),
        lambda study_id: list_trials(engine, BOB, study_id),
        lambda study_id: get_trial(engine, BOB, study_id, 0),
        lambda study_id: leaderboard(engine, BOB, study_id),
        lambda study_id: pareto(engine, BOB, study_id),
        lambda study_id: events_after(engine, BOB, study_id, 0),
    )
    for study_id, read in product((filled.study_id, "none"), reads):
        with pytest.raises(NotFound, match=f"there is no study '{study_id}'"):
            read(study_id)
    assert list_studies(engine, BOB).items == ()


def test_admin_sees_every_owners_studies(engine: Engine, filled: Claim) -> None:
    theirs = submit_study(engine, BOB, spec()).study_id
    assert {row.id for row in list_studies(engine, ADMIN).items} == {filled.study_id, theirs}
    assert get_study(engine, ADMIN, filled.study_id).row.owner == "alice"


# the leaderboard


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("by", get_args(SortName))
def test_leaderboard_pages_give_every_scored_row_once_in_order(
    engine: Engine, filled: Claim, by: SortName, descending: bool
) -> None:
    scored = {row.number for row in _all_trials(engine, filled.study_id) if row.score is not None}
    rows = _rows(engine, filled.study_id, sort=Sort(by=by, descending=descending))
    numbers = [row.trial.number for row in rows]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == scored
    values = [_value(row.trial, by) for row in rows]
    falling = descending != (by == "rank")
    assert values == sorted(values, reverse=falling)
    ties = [(a.trial.number, b.trial.number) for a, b in pairwise(rows) if _value(a.trial, by) == _value(b.trial, by)]
    rising_ties = (by == "score") == descending
    assert all((a < b) == rising_ties for a, b in ties)
    assert [row.rank for row in rows] == list(range(1, len(rows) + 1))


def test_leaderboard_pages_do_not_depend_on_their_size(engine: Engine, filled: Claim) -> None:
    whole = _rows(engine, filled.study_id, limit=MAX_PAGE)
    for limit in (1, 2, 13, len(whole) - 1, len(whole), len(whole) + 1):
        assert _rows(engine, filled.study_id, limit=limit) == whole


def test_leaderboard_pages_stay_whole_while_trials_arrive(engine: Engine, store: PostgresDriverStore, filled: Claim) -> None:
    before = _rows(engine, filled.study_id)
    pages = _pages(lambda cursor: leaderboard(engine, ALICE, filled.study_id, limit=7, cursor=cursor))
    shown = [next(pages).trial.number for _ in range(20)]
    write_trials(store, filled, [trial(500, TrialState.COMPLETED, score=0.99, rung=2)], sequence=3)
    shown += [row.trial.number for row in pages]
    assert shown == [row.trial.number for row in before]


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        (Filter(states=frozenset({TrialState.PAUSED})), lambda row: row.state is TrialState.PAUSED),
        (Filter(reference=True), lambda row: row.reference is not None),
        (Filter(reference=False), lambda row: row.reference is None),
        (Filter(pareto=True), lambda row: row.pareto),
        (Filter(pareto=False), lambda row: not row.pareto),
        (Filter(between=(Between(column="score", min=0.2, max=1 / 3),)), lambda row: 0.2 <= row.score <= 1 / 3),
        (
            Filter(between=(Between(column="params", max=2e9), Between(column="rung", min=1))),
            lambda row: row.cost.params <= 2e9 and row.rung >= 1,
        ),
        (Filter(between=(Between(column="number", min=119.5),)), lambda _: False),
        (Filter(between=(Between(column="params", min=10**40),)), lambda _: False),
    ],
)
def test_leaderboard_shows_what_the_filter_keeps(
    engine: Engine, filled: Claim, where: Filter, keeps: Callable[[TrialRow], bool]
) -> None:
    kept = [row.trial.number for row in _rows(engine, filled.study_id) if keeps(row.trial)]
    rows = _rows(engine, filled.study_id, where=where)
    assert [row.trial.number for row in rows] == kept
    assert [row.rank for row in rows] == list(range(1, len(kept) + 1))


@pytest.mark.parametrize("bound", [float("nan"), float("inf")])
def test_leaderboard_refuses_a_bound_that_is_no_number(engine: Engine, filled: Claim, bound: float) -> None:
    with pytest.raises(Invalid, match="finite"):
        leaderboard(engine, ALICE, filled.study_id, where=Filter(between=(Between(column="score", min=bound),)))


@pytest.mark.parametrize("limit", [0, -1, MAX_PAGE + 1])
def test_leaderboard_refuses_a_limit_that_is_none(engine: Engine, filled: Claim, limit: int) -> None:
    with pytest.raises(Invalid, match=f"1 to {MAX_PAGE}"):
        leaderboard(engine, ALICE, filled.study_id, limit=limit)


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!!!!",
        "\0",
        "\N{SNOWMAN}",
        "\udc80",
        _encoded("{}"),
        _encoded("[" * 1000),
        _encoded('{"listing":"x","position":1,"after":[1]}'),
    ],
)
def test_leaderboard_refuses_a_cursor_that_is_none(engine: Engine, filled: Claim, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        leaderboard(engine, ALICE, filled.study_id, cursor=cursor)


def test_leaderboard_refuses_a_cursor_whose_key_was_changed(engine: Engine, filled: Claim) -> None:
    cursor = leaderboard(engine, ALICE, filled.study_id, limit=1).next_cursor
    assert cursor is not None
    text = base64.urlsafe_b64decode(cursor + "==").decode()
    head = text[: text.index('"after"')]
    for after in (
        "[1]",
        '["a","b","c"]',
        "[1e999,0.5,0]",
        "[2,NaN,0]",
        "[99999999999999999999,0.5,0]",
        "[2,0.5,true]",
        "[null,0.5,0]",
    ):
        with pytest.raises(Invalid):
            leaderboard(engine, ALICE, filled.study_id, cursor=_encoded(f'{head}"after":{after}}}'))


def test_leaderboard_refuses_a_cursor_of_another_listing(engine: Engine, store: PostgresDriverStore, filled: Claim) -> None:
    cursor = leaderboard(engine, ALICE, filled.study_id, limit=1).next_cursor
    other = claimed(store)
    with pytest.raises(Invalid, match="another list"):
        leaderboard(engine, ALICE, filled.study_id, sort=Sort(descending=True), cursor=cursor)
    with pytest.raises(Invalid, match="another list"):
        leaderboard(engine, ALICE, filled.study_id, where=Filter(pareto=True), cursor=cursor)
    with pytest.raises(Invalid, match="another list"):
        leaderboard(engine, ALICE, other.study_id, cursor=cursor)
    with pytest.raises(Invalid, match="another list"):
        list_trials(engine, ALICE, filled.study_id, cursor=cursor)


def test_study_shows_the_leaderboards_first_row_as_its_best(engine: Engine, filled: Claim) -> None:
    first = leaderboard(engine, ALICE, filled.study_id, limit=1).items[0].trial
    row = get_study(engine, ALICE, filled.study_id).row
    assert (row.best_number, row.best_score) == (first.number, first.score)
    assert row.driver_alive


def test_pareto_gives_the_flagged_trials_best_first(engine: Engine, filled: Claim) -> None:
    rows = pareto(engine, ALICE, filled.study_id)
    assert {row.number for row in rows} == set(range(0, 120, 7))
    scores = [row.score for row in rows if row.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert [row.score for row in rows][len(scores) :] == [None] * (len(rows) - len(scores))


# lists and single things


def test_list_trials_gives_every_trial_in_order(engine: Engine, filled: Claim) -> None:
    assert [row.number for row in _all_trials(engine, filled.study_id)] == list(range(120))
    queued = list_trials(engine, ALICE, filled.study_id, states=frozenset({TrialState.QUEUED}), limit=MAX_PAGE)
    assert {row.state for row in queued.items} == {TrialState.QUEUED}


def test_list_studies_gives_every_study_newest_first(engine: Engine, store: PostgresDriverStore) -> None:
    ids = [submit_study(engine, ALICE, spec(f"s{n}")).study_id for n in range(7)]
    listed = list(_pages(lambda cursor: list_studies(engine, ALICE, limit=2, cursor=cursor)))
    assert [row.id for row in listed] == sorted(ids, reverse=True)
    assert [row.id for row in list_studies(engine, ALICE, name="s3").items] == [ids[3]]
    claim = store.claim("driver", 60)
    assert claim is not None
    store.write(claim, Batch(sequence=1, study_state=StudyState.RUNNING))
    assert [row.id for row in list_studies(engine, ALICE, states=frozenset({StudyState.RUNNING})).items] == [claim.study_id]


def test_get_trial_gives_all_that_is_known(engine: Engine, store: PostgresDriverStore) -> None:
    claim = claimed(store)
    of = claim.study_id
    write_trials(store, claim, [trial(0, TrialState.COMPLETED, score=0.6, rung=1)])
    runs = (started(of, 0), succeeded(of, 0, 0.5), started(of, 0, 1), succeeded(of, 0, 0.6, 1))
    store.write(claim, Batch(sequence=2, runs=runs))
    view = get_trial(engine, ALICE, of, 0)
    assert view.architecture == architecture()
    assert view.params == trial(0).params
    assert [(run.rung, run.attempt) for run in view.runs] == [(0, 1), (1, 1)]
    assert view.result is not None
    assert (view.result.score, len(view.result.ledger)) == (0.6, 1)


@pytest.mark.parametrize("number", [-1, 1, 2**31, 10**30])
def test_get_trial_that_is_not_there(engine: Engine, store: PostgresDriverStore, number: int) -> None:
    claim = claimed(store)
    write_trials(store, claim, [trial(0)])
    with pytest.raises(NotFound, match="no trial"):
        get_trial(engine, ALICE, claim.study_id, number)


@pytest.mark.parametrize("study_id", ["a\0b", "\ud800", "x" * 10_000])
def test_get_study_with_an_id_that_no_text_column_takes(engine: Engine, study_id: str) -> None:
    with pytest.raises((NotFound, Invalid)):
        get_study(engine, ALICE, study_id)


def test_events_come_in_order_and_in_bites(engine: Engine, filled: Claim) -> None:
    seqs = [event.seq for event in events_after(engine, ALICE, filled.study_id, 0, limit=1)]
    assert seqs == [1]
    assert events_after(engine, ALICE, filled.study_id, 1) == ()
    with pytest.raises(Invalid):
        events_after(engine, ALICE, filled.study_id, 10**30)


def test_totals_count_over_all_owners(engine: Engine, store: PostgresDriverStore) -> None:
    write_trials(store, claimed(store), [trial(0), trial(1, TrialState.FAILED)])
    write_trials(store, claimed(store, BOB), [trial(0)])
    submit_study(engine, BOB, spec())
    counted = totals(engine)
    assert counted.studies == {StudyState.QUEUED: 3}
    assert counted.trials == {TrialState.QUEUED: 2, TrialState.FAILED: 1}
    assert counted.live_drivers == 1
