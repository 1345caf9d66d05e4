"""Several drivers on one database: every study is driven by one at a time, and nothing is lost or done twice."""

import threading
from collections import Counter

from sqlalchemy import Engine

from nas.run import Finished, Run, RunKey
from tests.nas import pretend
from tests.nas.driving import assert_sound, drive_together, driver, rows, submit
from tests.nas.spaces import study

N_DRIVERS, N_STUDIES = 3, 9


def test_drivers_share_the_studies_and_do_each_run_once(engine: Engine) -> None:
    specs = {submit(engine, spec): spec for spec in (study(f"{number}", trials=6, seed=number) for number in range(N_STUDIES))}
    evaluated: Counter[RunKey] = Counter()
    drove: dict[int, set[str]] = {}

    def evaluate(run: Run) -> Finished:
        evaluated[run.key] += 1
        drove.setdefault(threading.get_ident(), set()).add(run.study_id)
        return pretend.succeed(run)

    # as many at once as there are for each, so that nobody takes them all
    drivers = [driver(engine, evaluate, n_slots=4, max_studies=N_STUDIES // N_DRIVERS) for _ in range(N_DRIVERS)]
    drive_together(drivers, lambda: not rows(engine, "SELECT 1 FROM nas_study WHERE state <> 'completed'"))
    for study_id, spec in specs.items():
        assert_sound(engine, study_id, spec)
    assert set(evaluated.values()) == {1}
    written = rows(engine, "SELECT study_id, number, rung, attempt FROM nas_run WHERE state = 'succeeded'")
    assert {RunKey(*row) for row in written} == evaluated.keys()
    assert len(drove) > 1
    assert sum(map(len, drove.values())) == N_STUDIES
