"""Objectives and constraints on what runs measure: from a result to rows, front, sampler and the next driver."""

from collections import Counter

import pytest

from nas.metrics import METRICS
from nas.objectives import dominates
from nas.store.reads import leaderboard, pareto
from nas.study import Constraint
from tests.nas import pretend
from tests.nas.driving import ME, assert_sound, drive, driver, runs, study_row, submit, trials
from tests.nas.spaces import TINY, study

BOTH = ("score", "mqar/macro_accuracy")


def evaluate(run):
    """A second metric that is best where the score is worst, and worse at every rung for every third trial."""
    return pretend.measure(run, macro_accuracy=1 - pretend.score(run), accuracy=pretend.score(run) - 0.2 * (run.number % 3))


@pytest.mark.parametrize("lives", [1, 3])
def test_driver_flags_the_front_of_measured_objectives(engine, lives):
    study_id = submit(engine, study(trials=9, eta=None, objectives=BOTH, references=("transformer",)))
    for _ in range(lives - 1):
        early = driver(engine, evaluate)
        for _ in range(4):
            early.step()
        early.release()
    drive(engine, evaluate)
    everybody = [trial for trial in trials(engine, study_id) if trial.rung == 2]
    values = {trial.number: tuple(trial.metrics[name] for name in BOTH) for trial in everybody}
    best = {n for n, own in values.items() if not any(dominates(other, own) for other in values.values())}
    assert len(best) > 3, "what one wins, the other loses"
    assert {row.number for row in pareto(engine, ME, study_id)} == best
    page = leaderboard(engine, ME, study_id)
    assert all(row.trial.metrics.keys() >= {*BOTH, "train_tokens_per_second"} for row in page.items)


def test_driver_fails_a_trial_whose_result_lacks_a_metric_of_the_study(engine):
    study_id = submit(engine, study(trials=4, eta=None, objectives=BOTH))
    drive(engine, lambda run: pretend.succeed(run) if run.number == 1 else evaluate(run))
    failed = trials(engine, study_id)[1]
    assert (failed.state, failed.rung) == ("failed", None)
    assert failed.reason == "invalid: the result has no mqar/macro_accuracy, which the study asks for"
    assert [run.state for run in runs(engine, study_id) if run.number == 1] == ["failed"], "another attempt would lack it too"
    assert study_row(engine, study_id).state == "completed"


@pytest.mark.parametrize("lives", [1, 3])
def test_driver_ends_a_trial_that_breaks_a_measured_constraint(engine, lives):
    """Not promoted, not on the front, not the best; its runs and results stay."""
    spec = study(trials=12, sampler="tpe", constraints=(Constraint(metric="mqar/accuracy", min=0.475),))
    study_id = submit(engine, spec)
    for _ in range(lives - 1):
        early = driver(engine, evaluate)
        for _ in range(4):
            early.step()
        early.release()
    drive(engine, evaluate)
    assert_sound(engine, study_id, spec)
    everybody = trials(engine, study_id)
    infeasible = [trial for trial in everybody if trial.state == "infeasible"]
    assert infeasible
    for trial in everybody:
        if trial.twin is None:
            assert (trial.metrics["mqar/accuracy"] < 0.475) == (trial.state == "infeasible")
    for trial in infeasible:
        assert trial.reason.startswith("mqar/accuracy 0.")
        assert trial.reason.endswith("is below 0.475")
        assert not trial.pareto
        assert trial.score is not None
    rungs = Counter(run.number for run in runs(engine, study_id) if run.state == "succeeded")
    assert all(rungs[trial.number] == trial.rung + 1 for trial in infeasible)
    shown = {row.trial.number for row in leaderboard(engine, ME, study_id, limit=100).items}
    assert shown.isdisjoint(trial.number for trial in infeasible)
    assert study_row(engine, study_id).best_number not in {trial.number for trial in infeasible}


def test_driver_takes_a_trial_off_the_front_when_a_higher_rung_breaks_a_constraint(engine):
    spec = study(trials=3, space=TINY, eta=None, constraints=(Constraint(metric="mqar/accuracy", min=0.5),))
    study_id = submit(engine, spec)

    def worse(run):
        return pretend.measure(run, accuracy=0.4 if run.rung == 2 and run.number != 0 else 0.6)

    drive(engine, worse)
    everybody = [trial for trial in trials(engine, study_id) if trial.twin is None]
    assert [trial.state for trial in everybody] == ["completed", "infeasible", "infeasible"]
    assert [trial.rung for trial in everybody] == [2, 2, 2]
    assert [trial.pareto for trial in everybody] == [True, False, False]


def test_metrics_have_names_that_say_what_is_better():
    assert [name for name, metric in METRICS.items() if metric.maximize] == ["score", "train_tokens_per_second"]
