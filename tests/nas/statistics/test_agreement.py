import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.statistics.agreement import against_parameters, calibrate, calibrate_rungs, calibrate_tasks, precision_at


def study(n, noise, seed=0):
    """Scores of a study: the truth, a rung with noise, and parameter counts that say nothing."""
    generator = np.random.default_rng(seed)
    truth, parameters = generator.normal(size=(2, n))
    rung = truth + noise * generator.normal(size=n)
    return tuple(dict(enumerate(each.tolist())) for each in (truth, rung, parameters))


def test_rungs_are_compared_over_the_trials_that_went_on():
    lower, upper, last = {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}, {1: 0.5, 2: 0.7, 3: 0.6}, {2: 0.8, 3: 0.9}
    first, second = calibrate_rungs([lower, upper, last])
    assert (first.proxy, first.n_trials, second.n_trials) == ("rung 0", 3, 2)
    assert first.kendall is not None
    assert first.kendall.value == pytest.approx(1 / 3)
    assert second.kendall is not None
    assert second.kendall.value == -1
    assert first.precision == {1: 0.0}


def test_a_task_that_points_the_wrong_way_is_seen():
    truth, rung, noise = study(60, 0.5)
    tasks = calibrate_tasks({"recall": rung, "memorization": {k: -v for k, v in rung.items()}, "compression": noise}, truth)
    signs = {task: each.spearman.sign for task, each in tasks.items() if each.spearman}
    assert signs == {"recall": 1, "memorization": -1, "compression": 0}


def test_a_good_proxy_beats_parameters_that_say_nothing():
    truth, rung, parameters = study(80, 0.5)
    found = against_parameters("rung 0", rung, parameters, truth)
    assert found.verdict == "better"
    assert found.warning is None


def test_a_proxy_that_parameters_beat_is_warned_of():
    truth, rung, parameters = study(80, 0.3)
    found = against_parameters("rung 0", parameters, rung, truth)
    assert found.verdict == "worse"
    assert found.warning is not None
    assert found.warning.startswith("Rung 0 ranks worse than the parameter count alone: ρ ")
    assert "over 80 trials" in found.warning


def test_small_models_being_better_counts_for_the_parameter_count_too():
    truth, rung, parameters = study(80, 0.3)
    found = against_parameters("rung 0", parameters, {trial: -score for trial, score in rung.items()}, truth)
    assert found.verdict == "worse"


def test_what_the_data_do_not_show_is_not_claimed():
    truth, rung, _ = study(80, 0.5)
    _, other, _ = study(80, 0.5, seed=0)
    found = against_parameters("rung 0", rung, other, truth)
    assert found.verdict == "not_shown"
    assert "is not shown to rank better" in (found.warning or "")


def test_equal_parameter_counts_rank_nothing():
    truth, rung, parameters = study(40, 0.5)
    found = against_parameters("rung 0", rung, dict.fromkeys(parameters, 1000), truth)
    assert found.verdict == "better"
    assert found.parameters_spearman == 0


def test_too_few_trials_are_said():
    truth, rung, parameters = study(4, 0.5)
    found = against_parameters("rung 0", rung, parameters, truth)
    assert found.verdict == "too_few"
    assert "4 trials" in (found.warning or "")


def test_nothing_in_common_has_no_correlation():
    nothing = calibrate("rung 0", {0: 1.0}, {1: 1.0})
    assert (nothing.n_trials, nothing.kendall, nothing.precision) == (0, None, {})


def test_precision_by_hand():
    assert precision_at(2, [4, 3, 2, 1], [4, 1, 3, 2]) == 0.5
    # one place among two equals, of which one is the target's best
    assert precision_at(1, [5, 5, 1], [3, 2, 1]) == 0.5


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=10), st.randoms())
def test_precision_is_a_share_and_order_does_not_matter(pairs, random):
    k = random.randint(1, len(pairs))
    precision = precision_at(k, *zip(*pairs, strict=True))
    assert 0 <= precision <= 1 + 1e-9
    random.shuffle(pairs)
    assert precision_at(k, *zip(*pairs, strict=True)) == pytest.approx(precision)
    assert precision_at(len(pairs), *zip(*pairs, strict=True)) == pytest.approx(1)


@pytest.mark.parametrize("k", [0, 3])
def test_precision_needs_enough_trials(k):
    with pytest.raises(ValueError, match="choose k from 1 to 2"):
        precision_at(k, [1, 2], [1, 2])
