"""Every trial of a study with what each rung gave, page by page."""

from collections import defaultdict

from sqlalchemy import Engine, select

from nas.keys import Principal
from nas.run import RunState
from nas.store.access import is_visible, require_study
from nas.store.engine import reading
from nas.store.keyset import Keyset, mark
from nas.store.schema import run, trial
from nas.store.selects import TRIALS, trial_row
from nas.store.views import Page, RungView, TrialHistory


def list_history(
    engine: Engine, principal: Principal, study_id: str, *, limit: int = 50, cursor: str | None = None
) -> Page[TrialHistory]:
    """In order of number. Raises `NotFound`, `Invalid`."""
    by_number = Keyset((trial.c.number,), False, mark("history", study_id))
    here = TRIALS.add_columns(trial.c.genes).where(trial.c.study_id == study_id, is_visible(principal, study_id))
    query, position = by_number.page(here, limit, cursor)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        if not rows:
            require_study(connection, principal, study_id)
        shown = rows[:limit]
        numbers = [row.number for row in shown]
        passed = select(run.c.number, run.c.rung, run.c.metrics, run.c.search_metrics).where(
            run.c.study_id == study_id, run.c.number.in_(numbers), run.c.state == RunState.SUCCEEDED.value
        )
        rungs = defaultdict[int, list[RungView]](list)
        for each in connection.execute(passed.order_by(run.c.number, run.c.rung)):
            rungs[each.number].append(RungView(rung=each.rung, reported=each.metrics, searched=each.search_metrics))
    items = (TrialHistory(row=trial_row(row), params=row.genes, rungs=tuple(rungs[row.number])) for row in shown)
    return Page(items=tuple(items), next_cursor=by_number.cursor(rows, limit, position))
