"""Every order of the leaderboard is an index: no page sorts, and a deep page starts inside the index."""

import base64
from typing import Any, get_args

import pytest
from sqlalchemy import Engine, Select, text
from sqlalchemy.dialects import postgresql

from nas.store.driver_store import PostgresDriverStore
from nas.store.keyset import EVERY_SCORED, Cursor, Sort, SortName, conditions, leaderboard_keyset
from nas.store.schema import trial
from nas.store.selects import TRIALS
from nas.trial import TrialState
from tests.nas.store import examples


def _plan(engine: Engine, query: Select[*tuple[Any, ...]]) -> str:
    sql = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        # few rows: without this a scan of the whole table would be the cheapest
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        return "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}").scalars())


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("by", get_args(SortName))
def test_leaderboard_order_is_an_index(engine: Engine, by: SortName, descending: bool) -> None:
    store = PostgresDriverStore(engine)
    claim = examples.claimed(store)
    trials = [examples.trial(number, TrialState.COMPLETED, score=number / 10) for number in range(9)]
    examples.write_trials(store, claim, trials)
    order = leaderboard_keyset(claim.study_id, Sort(by=by, descending=descending), EVERY_SCORED)
    rows = TRIALS.where(trial.c.study_id == claim.study_id, conditions(EVERY_SCORED))
    first, _ = order.page(rows, 3, None)
    with engine.connect() as connection:
        page = connection.execute(first).all()
    deep, position = order.page(rows, 3, order.cursor(page, 3, 0))
    assert position == 3
    for query in (first, deep):
        plan = _plan(engine, query)
        assert "Sort" not in plan
        assert f"Index Scan{' Backward' if order.descending else ''} using nas_trial_" in plan
    # the key bounds the scan itself, it does not merely filter what was scanned
    key = "ROW(" if len(order.columns) > 1 else "number"
    assert key in next(line for line in plan.splitlines() if "Index Cond" in line)


def test_cursor_is_safe_in_a_url_and_comes_back() -> None:
    cursor = Cursor(listing="0123456789abcdef", position=7, after=(1, 0.1 + 0.2, -3))
    encoded = cursor.encode()
    assert encoded.replace("-", "").replace("_", "").isalnum()
    assert Cursor.from_json(base64.urlsafe_b64decode(encoded + "==")) == cursor
