import math

import pytest

from nas.tasks import MQAR, BytesLM
from workers.scoring import Chosen, Measured, choose, sample_error, score


def measured(validation: float, test: float = 0.5, sample_error: float = 0.01) -> Measured:
    return Measured(validation, test, sample_error)


def test_choose_takes_the_best_on_validation_not_on_test():
    chosen = choose(MQAR(), 2, {0: [measured(0.6, test=0.5)], 1: [measured(0.5, test=0.9)]})
    assert chosen is not None
    assert chosen.index == 0
    assert chosen.values == (0.5,)


def test_choose_takes_the_lowest_where_lower_is_better():
    chosen = choose(BytesLM(), 2, {0: [measured(3.0)], 1: [measured(2.0)]})
    assert chosen is not None
    assert chosen.index == 1


def test_choose_averages_replicas():
    chosen = choose(MQAR(), 2, {0: [measured(1.0), measured(0.1)], 1: [measured(0.6), measured(0.6)]})
    assert chosen is not None
    assert chosen.index == 1


def test_choose_passes_over_rates_with_a_diverged_replica():
    chosen = choose(MQAR(), 2, {0: [measured(0.1), measured(0.1)], 1: [measured(1.0), None]})
    assert chosen is not None
    assert chosen.index == 0


def test_choose_finds_nothing_when_all_diverged():
    assert choose(MQAR(), 2, {0: [None], 1: [None]}) is None


@pytest.mark.parametrize(
    ("validations", "index", "edge"),
    [
        ((0.1, 0.2, 0.3), 2, True),
        ((0.3, 0.2, 0.1), 0, True),
        ((0.1, 0.3, 0.2), 1, False),
        ((1.0, 1.0, 1.0), 1, False),
        ((1.0, 0.5, 1.0), 0, True),
        ((0.1, 0.2), 1, False),
        ((0.1,), 0, False),
    ],
)
def test_edge_of_grid_means_that_no_inner_rate_did_as_well(validations, index, edge):
    chosen = choose(MQAR(), len(validations), {at: [measured(value)] for at, value in enumerate(validations)})
    assert chosen is not None
    assert (chosen.index, chosen.edge_of_grid) == (index, edge)


def test_score_over_replicas_is_students_interval_widened_by_the_test_sample():
    chosen = Chosen(MQAR(), 0, False, tuple(measured(0, test=test) for test in (0.5, 0.6, 0.7)))
    result = score([chosen])
    assert result.interval == "replicas"
    assert math.isclose(result.value, 0.6)
    # standard deviation 0.1, t(0.975, 2) = 4.3027; all replicas share one test set, whose error is 0.01
    assert math.isclose(result.high - result.value, math.hypot(4.3027 * 0.1 / math.sqrt(3), 1.959964 * 0.01), rel_tol=1e-6)
    assert math.isclose(chosen.standard_error, 0.1 / math.sqrt(3))


def test_score_of_one_replica_covers_the_test_sample_only():
    chosen = [
        Chosen(MQAR(), 0, False, (measured(0, test=0.5, sample_error=0.01),)),
        Chosen(BytesLM(), 0, False, (measured(0, test=4.0, sample_error=0.16),)),
    ]
    result = score(chosen)
    assert result.interval == "test_sample"
    assert math.isclose(result.value, 0.5)
    # errors of the scores: 0.01 and 0.16 / 8 = 0.02; their mean's is sqrt(0.0005) / 2
    assert math.isclose(result.high - result.low, 2 * 1.959964 * math.sqrt(0.0005) / 2, rel_tol=1e-6)


def test_score_on_validation_is_the_same_mean_of_other_data():
    tasks = [
        Chosen(MQAR(), 0, False, (measured(0.9, test=0.1), measured(0.7, test=0.2))),
        Chosen(BytesLM(), 0, False, (measured(4.0, test=1.0), measured(2.0, test=1.0))),
    ]
    # accuracies 0.9 and 0.7, and 1 - 4/8 and 1 - 2/8
    assert math.isclose(score(tasks).validation, (0.8 + 0.625) / 2)


def test_score_stays_on_its_scale():
    result = score([Chosen(MQAR(), 0, False, (measured(0, test=0.99), measured(0, test=0.5)))])
    assert 0 == result.low < result.value < result.high == 1


def test_sample_error_of_a_perfect_sample_is_not_zero():
    # 99 sequences without a mistake and one at chance, 1/8: standard deviation 0.0875
    assert math.isclose(sample_error(MQAR(), [1.0] * 99), 0.0875 / 10)


def test_score_that_is_perfect_in_every_replica_keeps_an_interval():
    result = score([Chosen(MQAR(), 0, False, (measured(0, test=1.0), measured(0, test=1.0)))])
    assert result.low < result.value == result.high == 1
