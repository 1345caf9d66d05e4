"""The leaderboard's groups and intervals are the report's, and cost nothing while nothing happens."""

from collections.abc import Callable
from functools import partial
from statistics import fmean

import pytest
from sqlalchemy import Engine, event, text

from nas.errors import NotFound
from nas.keys import Principal
from nas.leaderboard import Leaderboards
from nas.protocol import Protocol, Rung
from nas.report.report import study_report
from nas.report.reports import Reports
from nas.store.keyset import Sort
from nas.store.reads import get_study
from nas.store.submissions import submit_study
from nas.study import StudySpec, StudyState
from nas.trial import Trial
from search_spaces.presets import recall_demo
from tests.api.seeding import Driver
from tests.planted import Plan, plant

OWNER = Principal("owner-key", "owner", frozenset({"read", "write"}))
STRANGER = Principal("stranger-key", "stranger", frozenset({"read"}))
PROTOCOL = Protocol(rungs=(Rung(steps=10), Rung(steps=30, replicas=3)))


def planted(engine: Engine, plan: Plan) -> tuple[str, Driver]:
    study_id = submit_study(engine, OWNER, StudySpec(name="planted", space=recall_demo(), protocol=PROTOCOL)).study_id
    driver = Driver(engine, study_id)
    driver.become(StudyState.RUNNING)
    plant(driver, plan)
    return study_id, driver


def plateau(n_best: int) -> Plan:
    return Plan(truth=lambda trial: 0.8 if trial.number < n_best else 0.4, n_trials=9, keep=0.7, noise=0.01)


def statements(engine: Engine, call: Callable[[], object]) -> int:
    """How many statements a call sends."""
    sent: list[str] = []

    def note(*arguments: object) -> None:
        sent.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", note)
    call()
    event.remove(engine, "before_cursor_execute", note)
    return len(sent)


@pytest.mark.parametrize("fresh", [0, 3], ids=["unconfirmed", "confirmed"])
def test_groups_and_intervals_are_those_of_the_report(engine: Engine, fresh: int) -> None:
    plan = plateau(3)
    study_id, _ = planted(engine, Plan(truth=plan.truth, n_trials=9, keep=0.7, noise=0.01, confirmed=4, fresh=fresh))
    items = Leaderboards(engine).page(OWNER, study_id).items
    board = study_report(engine, OWNER, study_id).leaderboard
    assert [row.trial.number for row in items[: len(board)]] == [one.number for one in board]
    for row, one in zip(items, board, strict=False):
        assert row.group == one.group
        assert (row.trial.score_low, row.trial.score_high) == pytest.approx((one.low, one.high))
        assert row.trial.score == pytest.approx(fmean(one.seeds))
    assert {row.trial.number for row in items if row.group == 1} == {0, 1, 2}
    # whoever stopped at a lower rung is not compared
    assert [row.group for row in items[len(board) :]] == [None] * (9 - len(board))


def test_groups_belong_to_trials_and_not_to_an_order(engine: Engine) -> None:
    study_id, _ = planted(engine, plateau(3))
    boards = Leaderboards(engine)
    ranked = {row.trial.number: row.group for row in boards.page(OWNER, study_id).items}
    by_params = {row.trial.number: row.group for row in boards.page(OWNER, study_id, sort=Sort(by="params")).items}
    assert by_params == ranked


def test_what_is_known_is_kept_until_something_happens(engine: Engine) -> None:
    study_id, driver = planted(engine, plateau(3))
    boards = Leaderboards(engine)
    first = statements(engine, lambda: boards.page(OWNER, study_id))
    again = statements(engine, lambda: boards.page(OWNER, study_id))
    assert again == 2 < first
    with engine.begin() as connection:
        connection.execute(
            text("update nas_run set result = null, state = 'lost', score = null, validation_score = null, folder = null")
        )
    assert boards.page(OWNER, study_id).items[0].group == 1
    driver.write(events=(driver.event("trial.state", number=0),))
    assert statements(engine, lambda: boards.page(OWNER, study_id)) == first


def test_calibration_warns_of_a_rung_that_misleads(engine: Engine) -> None:
    plan = Plan(truth=lambda trial: 0.02 * trial.number, n_trials=30, seen=lambda rung, truth: truth if rung else 1 - truth)
    study_id, _ = planted(engine, plan)
    (rung,) = Leaderboards(engine).calibration(OWNER, study_id)
    (reported,) = study_report(engine, OWNER, study_id).calibration.rungs
    assert rung.verdict == "worse"
    assert rung == reported


def test_a_study_of_somebody_else_is_not_there(engine: Engine) -> None:
    study_id, _ = planted(engine, plateau(2))
    for read in (Leaderboards(engine).page, Leaderboards(engine).calibration):
        with pytest.raises(NotFound):
            read(STRANGER, study_id)


def _rising(height: float, trial: Trial) -> float:
    return height + trial.number / 100


def test_a_board_says_whether_the_search_beat_its_baseline(engine: Engine) -> None:
    spec = StudySpec(name="paired", space=recall_demo(), protocol=PROTOCOL, baselines=("random",))
    study_id = submit_study(engine, OWNER, spec).study_id
    baseline = get_study(engine, OWNER, study_id).row.baselines[0].id
    drivers = [Driver(engine, each) for each in (study_id, baseline)]
    for driver, height in zip(drivers, (0.8, 0.3), strict=True):
        driver.become(StudyState.RUNNING)
        plant(driver, Plan(truth=partial(_rising, height), n_trials=9))
    boards = Leaderboards(engine)
    (compared,) = boards.comparisons(OWNER, study_id)
    assert boards.page(OWNER, study_id).verdicts == (compared.headline,)
    assert compared.headline.startswith("So far the search beat random search at the same cost: 0.8")
    assert boards.page(OWNER, baseline).verdicts == ()
    assert statements(engine, lambda: boards.page(OWNER, study_id)) == 2
    with pytest.raises(NotFound):
        boards.comparisons(STRANGER, study_id)


def test_a_report_is_kept_until_something_happens_in_either_study(engine: Engine) -> None:
    spec = StudySpec(name="paired", space=recall_demo(), protocol=PROTOCOL, baselines=("random",))
    study_id = submit_study(engine, OWNER, spec).study_id
    baseline = Driver(engine, get_study(engine, OWNER, study_id).row.baselines[0].id)
    reports = Reports(engine)
    first = reports.get(OWNER, study_id)
    assert reports.get(OWNER, study_id) is first
    baseline.become(StudyState.RUNNING)
    assert reports.get(OWNER, study_id).payoff.comparisons[0].baseline.state == "running"
    with pytest.raises(NotFound):
        reports.get(STRANGER, study_id)
