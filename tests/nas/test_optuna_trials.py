"""What each of our trials becomes in Optuna."""

import pytest
from optuna.trial import TrialState

from nas.optuna_trials import optuna_trials
from nas.study import Constraint
from nas.trial import TrialState as Ours
from tests.nas.histories import STATES, history
from tests.nas.spaces import study


def converted(**fields):
    spec = study(references=("transformer",), **fields)
    given = history(spec, 1 + len(STATES) * 2)
    return given, list(optuna_trials(spec, given))


def of(state, given, trials):
    """The first own one in a state."""
    return next((item, trial) for item, trial in zip(given, trials, strict=True) if item.row.state is state and item.params)


def test_numbers_params_and_times_are_kept():
    given, trials = converted()
    assert [trial.params for trial in trials] == [item.params for item in given]
    done, trial = of(Ours.COMPLETED, given, trials)
    assert trial.datetime_start.astimezone() == done.row.created_at
    assert trial.datetime_complete.astimezone() == done.row.updated_at
    assert trial.user_attrs["summary"] == done.row.summary
    assert trial.user_attrs["params"] == done.row.cost.params


def test_values_are_what_the_search_saw_and_the_test_score_is_an_attribute():
    given, trials = converted(objectives=("score", "params"))
    done, trial = of(Ours.COMPLETED, given, trials)
    assert trial.values == [done.rungs[-1].searched["score"], done.row.cost.params]
    assert trial.user_attrs["score"] == done.rungs[-1].reported["score"] != trial.values[0]
    assert trial.intermediate_values == {}, "Optuna has none for several objectives"
    scores = [rung.searched["score"] for rung in done.rungs]
    assert trial.user_attrs["search_scores"] == dict(zip(["10", "30", "90"], scores, strict=True))


def test_intermediate_values_are_by_optimiser_steps():
    given, trials = converted()
    done, trial = of(Ours.COMPLETED, given, trials)
    scores = [rung.searched["score"] for rung in done.rungs]
    assert trial.intermediate_values == dict(zip([10, 30, 90], scores, strict=True))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Ours.COMPLETED, TrialState.COMPLETE),
        (Ours.PRUNED, TrialState.PRUNED),
        (Ours.INFEASIBLE, TrialState.PRUNED),
        (Ours.FAILED, TrialState.FAIL),
        (Ours.CANCELLED, TrialState.FAIL),
        (Ours.RUNNING, TrialState.RUNNING),
        (Ours.PAUSED, TrialState.RUNNING),
        (Ours.DUPLICATE, TrialState.COMPLETE),
    ],
)
def test_states_have_their_counterparts(ours, theirs):
    given, trials = converted()
    item, trial = of(ours, given, trials)
    assert trial.state is theirs
    assert trial.user_attrs["state"] == ours.value
    if ours is Ours.PRUNED:
        assert trial.value == item.rungs[-1].searched["score"]


def test_a_duplicate_has_its_twins_values_and_is_marked():
    given, trials = converted()
    item, trial = of(Ours.DUPLICATE, given, trials)
    assert trial.user_attrs["duplicate_of"] == item.row.twin
    assert trial.values == trials[item.row.twin].values


def test_a_reference_takes_a_number_and_disturbs_no_sampler():
    _, trials = converted()
    reference = trials[0]
    assert (reference.state, reference.params) == (TrialState.FAIL, {})
    assert reference.user_attrs["reference"] == "transformer"
    assert "score" in reference.user_attrs


def test_constraints_say_by_how_much():
    given, trials = converted(constraints=(Constraint(metric="params", max=10), Constraint(metric="state_bytes", max=10**12)))
    item, trial = of(Ours.INFEASIBLE, given, trials)
    assert trial.constraints["params [0]"] == pytest.approx(item.row.cost.params / 10 - 1)
    assert trial.constraints["state_bytes [1]"] < 0


def test_what_is_infeasible_for_another_reason_is_so_in_optuna():
    given, trials = converted()
    assert of(Ours.INFEASIBLE, given, trials)[1].constraints == {"untrainable": 1.0}
    assert of(Ours.COMPLETED, given, trials)[1].constraints == {}
