"""Did the search pay? Verdicts of searches whose truth was planted."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, text

from nas.protocol import Protocol, Rung
from nas.report.evidence import read_evidence
from nas.report.payoff import payoff, read_payoff
from nas.report.payoff_document import Payoff
from nas.store.submissions import submit_study
from nas.study import StudySpec, StudyState
from nas.trial import Trial
from search_spaces.presets import recall_demo
from tests.api.seeding import Driver
from tests.nas.report.conftest import OWNER, TWO_RUNGS
from tests.planted import Plan, plant

_names = count(1)
ONE_RUNG = Protocol(rungs=(Rung(steps=100, replicas=2),))


def level(height: float, spread: float) -> Callable[[Trial], float]:
    """True scores that follow from the trial alone, evenly spread."""
    return lambda trial: height + spread * ((trial.cost.params * 7919 + trial.number * 104729) % 1009) / 1009


@pytest.fixture
def paired(reports_engine: Engine) -> Callable[..., Payoff]:
    """Submit a study with a random baseline, plant both, and compare them."""

    def do(ours: Plan | None, theirs: Plan | None, end: StudyState = StudyState.COMPLETED, **spec: Any) -> Payoff:
        settings = {"name": f"paired {next(_names)}", "protocol": ONE_RUNG, "baselines": ("random",), **spec}
        study_id = submit_study(reports_engine, OWNER, StudySpec(space=recall_demo(), **settings)).study_id
        drivers = [Driver(reports_engine, each) for each in (study_id, _baseline(reports_engine, study_id))]
        for driver, plan, state in zip(drivers, (ours, theirs), (StudyState.COMPLETED, end), strict=True):
            driver.become(StudyState.RUNNING)
            if plan is not None:
                plant(driver, plan)
            if state is not StudyState.RUNNING:
                driver.become(state)
        return read_payoff(reports_engine, OWNER, study_id)

    return do


def _baseline(engine: Engine, study_id: str) -> str:
    with engine.connect() as connection:
        query = text("SELECT id FROM nas_study WHERE accompanies = :id")
        return str(connection.execute(query, {"id": study_id}).scalar_one())


def test_a_search_that_proposes_better_trials_beat_random(paired: Callable[..., Payoff]) -> None:
    (found,) = paired(Plan(level(0.7, 0.2), 20, noise=0.005), Plan(level(0.4, 0.3), 20, noise=0.005)).comparisons
    assert (found.verdict, found.final) == ("better", True)
    assert found.headline.startswith("The search beat random search at the same cost: 0.9032 against 0.7025 after")
    assert found.difference is not None
    assert found.difference.low is not None
    assert 0.1 < found.difference.low < found.difference.value < 0.3
    assert found.superiority is not None
    assert found.superiority > 0.9
    assert found.p_value is not None
    assert found.p_value < 0.01


def test_a_search_that_proposes_worse_trials_was_beaten(paired: Callable[..., Payoff]) -> None:
    (found,) = paired(Plan(level(0.4, 0.3), 20, noise=0.005), Plan(level(0.7, 0.2), 20, noise=0.005)).comparisons
    assert found.verdict == "worse"
    assert found.headline.startswith("Random search beat the search at the same cost: 0.9032 against 0.7025 after")


def test_one_lucky_trial_is_not_a_search_that_pays(paired: Callable[..., Payoff]) -> None:
    lucky = Plan(lambda trial: 0.9 if trial.number == 4 else level(0.4, 0.2)(trial), 20, noise=0.005)
    (found,) = paired(lucky, Plan(level(0.4, 0.2), 20, noise=0.005)).comparisons
    assert found.difference is not None
    assert found.difference.low is not None
    assert found.difference.low > 0.2, "what it takes home is better"
    assert found.verdict == "not_shown"
    assert "one of two equal searches is always ahead" in found.details


def test_what_it_takes_to_tell_is_said(paired: Callable[..., Payoff]) -> None:
    (found,) = paired(Plan(level(0.48, 0.3), 12, noise=0.02), Plan(level(0.4, 0.3), 12, noise=0.02)).comparisons
    assert found.verdict == "not_shown"
    assert found.more_trials is not None
    assert f"about {found.more_trials} more trials of each would tell" in found.details
    (even,) = paired(
        Plan(lambda trial: 0.505 + trial.number / 1e4, 12, noise=0.02), Plan(lambda _: 0.5, 12, noise=0.02)
    ).comparisons
    assert even.verdict == "not_shown"


def test_both_are_held_against_each_other_at_the_cost_of_the_shorter(paired: Callable[..., Payoff]) -> None:
    found = paired(Plan(level(0.7, 0.2), 20), Plan(level(0.4, 0.3), 8), StudyState.RUNNING)
    (one,) = found.comparisons
    assert found.search is not None
    assert one.optimiser_steps == one.baseline.optimiser_steps == 8 * 600 < found.search.optimiser_steps == 20 * 600
    assert one.baseline.curve[-1].optimiser_steps == found.search.curve[-1].optimiser_steps == 8 * 600
    assert not one.final
    assert one.headline.startswith("So far ")
    assert one.details.endswith("The baseline is running: 8 of 20 trials measured.")


def test_a_baseline_that_has_not_begun_says_how_far_it_is(paired: Callable[..., Payoff]) -> None:
    (found,) = paired(Plan(level(0.7, 0.2), 6), None, StudyState.RUNNING).comparisons
    assert (found.verdict, found.ours, found.difference) == ("too_few", None, None)
    assert found.headline == "There is nothing yet to compare with random search at the same cost."
    assert found.details == "The baseline is running: 0 of 20 trials measured."


def test_confirmed_trials_are_worth_what_fresh_seeds_say(paired: Callable[..., Payoff], reports_engine: Engine) -> None:
    plan = Plan(level(0.5, 0.3), 12, noise=0.05, confirmed=12, fresh=6)
    found = paired(plan, plan, protocol=TWO_RUNGS)
    (one,) = found.comparisons
    assert found.search is not None
    evidence = read_evidence(reports_engine, OWNER, found.search.study)
    best = max(evidence.at(1), key=lambda trial: trial.rungs[1].validation)
    assert one.ours is not None
    assert one.ours.value == pytest.approx(sum(best.fresh_scores) / 6)
    assert one.ours.low is not None
    assert one.ours.high is not None
    assert one.ours.high - one.ours.low < 4 * 0.05 / 6**0.5 * 1.3


def test_a_study_without_a_baseline_has_its_own_curve(paired: Callable[..., Payoff], reports_engine: Engine) -> None:
    with_one = paired(Plan(level(0.5, 0.3), 12), Plan(level(0.5, 0.3), 12))
    assert with_one.search is not None
    assert (with_one.axes, with_one.search.hypervolume, with_one.search.on_front) == ((), (), 1)
    alone = payoff(read_evidence(reports_engine, OWNER, with_one.search.study), ())
    assert (alone.search, alone.comparisons) == (with_one.search, ())


SEVERAL: dict[str, Any] = {"objectives": ("params", "score", "state_bytes")}


def test_several_objectives_are_compared_by_hypervolume(paired: Callable[..., Payoff]) -> None:
    found = paired(Plan(level(0.7, 0.2), 20, noise=0.005), Plan(level(0.3, 0.3), 20, noise=0.005), **SEVERAL)
    (one,) = found.comparisons
    assert (one.measure, one.verdict) == ("hypervolume", "better")
    assert [axis.objective for axis in found.axes] == ["score", "params", "state_bytes"]
    score, *costs = found.axes
    assert score.worst < score.best
    assert all(axis.worst > axis.best > 0 for axis in costs), "in their own units, and the less the better"
    assert found.search is not None
    grown = [point.value for point in found.search.hypervolume]
    assert grown == sorted(grown)
    assert 0 < grown[-1] < 1
    assert grown[-1] == one.ours.value if one.ours else False
    assert found.search.on_front > 1
    assert "of the box of the objectives" in one.headline


def test_equal_searches_are_seldom_told_apart(paired: Callable[..., Payoff]) -> None:
    verdicts = []
    for seed in range(10):
        plans = [Plan(level(0.3 + 0.001 * seed, 0.4), 12, noise=0.01, seed=2 * seed + side) for side in (0, 1)]
        verdicts.append(paired(*plans).comparisons[0].verdict)
    assert verdicts.count("not_shown") >= 9


def test_a_baselines_own_report_says_whose_it_is(paired: Callable[..., Payoff], reports_engine: Engine) -> None:
    (one,) = paired(Plan(level(0.5, 0.3), 6), Plan(level(0.5, 0.3), 6)).comparisons
    found = payoff(read_evidence(reports_engine, OWNER, one.baseline.study), ())
    assert found.accompanies is not None
    assert found.accompanies.startswith("paired")
    assert found.comparisons == ()


def test_a_baseline_that_learns_is_judged_by_what_it_takes_home(paired: Callable[..., Payoff]) -> None:
    ahead = paired(Plan(level(0.7, 0.2), 20, noise=0.005), Plan(level(0.4, 0.3), 20, noise=0.005), baselines=("local_search",))
    (found,) = ahead.comparisons
    assert (found.verdict, found.p_value) == ("better", None)
    assert found.headline.startswith("The search beat local search at the same cost")
    assert "Each search ran once" in found.details
    assert found.theirs is not None
    assert found.baseline.curve[-1].value == pytest.approx(found.theirs.value)
