"""Anytime curves against every order there is, one after the other."""

from itertools import permutations
from random import Random
from statistics import fmean

import numpy as np
import pytest

from nas.statistics.anytime import Arm, Outcome, curve, lead, n_orders, taken_home


def outcomes(seed: int, n_trials: int, *, error: float = 0.0) -> list[Outcome]:
    """Trials of one to three runs whose costs, and whose scores on test and on validation data, differ; some are ineligible."""
    rng = Random(seed)
    found = []
    for trial in range(n_trials):
        eligible = rng.random() < 0.8
        for rung in range(rng.choice((1, 1, 2, 3))):
            validation = rng.choice((rng.random(), 0.5)) + 0.2 * rung
            found.append(
                Outcome(
                    trial=trial, rung=rung, cost=(1, 2, 6)[rung], validation=validation,
                    score=validation + 0.1 * rng.random(), error=error, eligible=eligible,
                )
            )  # fmt: skip
    return found


def take(runs: list[Outcome], cost: float) -> Outcome | None:
    """What is taken home, read off one order as the words say it."""
    spent, best = 0.0, None
    for run in runs:
        spent += run.cost
        if spent > cost:
            break
        better = best is None or (run.rung, run.validation, -run.trial) > (best.rung, best.validation, -best.trial)
        if run.eligible and better:
            best = run
    return best


def every_order(runs: list[Outcome]) -> list[list[Outcome]]:
    by_trial = [[run for run in runs if run.trial == trial] for trial in {run.trial for run in runs}]
    return [[run for trial in order for run in trial] for order in permutations(by_trial)]


@pytest.mark.parametrize("seed", range(20))
def test_one_order_is_read_as_the_words_say(seed: int) -> None:
    runs = outcomes(seed, 12)
    Random(seed).shuffle(runs)
    costs = np.arange(0.0, 40.0, 0.5)
    chosen = taken_home(Arm.of(runs), costs)
    assert [None if at < 0 else runs[at] for at in chosen[0]] == [take(runs, cost) for cost in costs]


@pytest.mark.parametrize("seed", range(6))
def test_the_mean_over_drawn_orders_is_that_over_all_orders(seed: int) -> None:
    runs = outcomes(seed, 6)
    arm, total = Arm.of(runs, exchangeable=True), sum(run.cost for run in runs)
    costs = np.arange(arm.begins, total + 1)
    found = curve(arm, costs)
    for at, cost in enumerate(costs):
        scores = [taken.score for order in every_order(runs) if (taken := take(order, cost)) is not None]
        assert len(scores) == 720, "from `begins` on there is something in every order"
        assert found.value[at] == pytest.approx(fmean(scores), abs=5 * np.std(scores) / n_orders(len(runs)) ** 0.5 + 1e-12)
        assert min(scores) - 1e-12 <= found.low[at] <= found.value[at] <= found.high[at] <= max(scores) + 1e-12
        outside = sum(not found.low[at] - 1e-12 <= score <= found.high[at] + 1e-12 for score in scores) / 720
        assert outside < 0.08
    assert found.low[-1] == pytest.approx(found.high[-1]), "of all trials the best is the same in any order"


def test_a_curve_begins_where_there_is_something_in_every_order() -> None:
    runs = outcomes(3, 7)
    arm = Arm.of(runs, exchangeable=True)
    assert (taken_home(arm, np.array([arm.begins])) >= 0).all()
    alone = Arm.of(runs)
    assert taken_home(alone, np.array([alone.begins]))[0, 0] >= 0 > taken_home(alone, np.array([alone.begins - 0.5]))[0, 0]
    assert Arm.of([run for run in runs if not run.eligible]).begins == float("inf")
    assert Arm.of([]).begins == float("inf")


def test_a_band_holds_how_far_scores_may_be_off() -> None:
    runs = outcomes(1, 8, error=0.01)
    costs = np.array([sum(run.cost for run in runs)])
    alone, mean = curve(Arm.of(runs), costs), curve(Arm.of(runs, exchangeable=True), costs)
    assert alone.high[0] - alone.low[0] == pytest.approx(2 * 1.96 * 0.01, rel=1e-3)
    assert mean.high[0] - mean.low[0] == pytest.approx(2 * 1.96 * 0.01, rel=0.1)
    assert mean.value[0] == pytest.approx(alone.value[0])


def test_a_lead_is_over_the_mean_of_the_orders_and_holds_both_errors() -> None:
    ours, theirs = outcomes(1, 8, error=0.03), outcomes(2, 6, error=0.04)
    both = (Arm.of(ours), Arm.of(theirs, exchangeable=True))
    cost = min(arm.total for arm in both)
    value, low, high = lead(*both, cost)
    mine = take(ours, cost)
    assert mine is not None
    others = [taken.score for order in every_order(theirs) if (taken := take(order, cost)) is not None]
    assert value == pytest.approx(mine.score - fmean(others), abs=1e-2)
    spread = (np.var(others) + 0.05**2) ** 0.5
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.15)
    with pytest.raises(ValueError, match="nothing to take home yet"):
        lead(*both, 0.0)
