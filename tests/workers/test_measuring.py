"""What a task reports beyond its own test set."""

import pytest

from nas.tasks import MQAR, BytesLM
from workers.measuring import extrapolation_gap


def test_the_gap_is_to_the_longest_length():
    beyond = {"length=128": 0.9, "length=256,pairs=8": 0.5, "length=256,pairs=16": 0.3, "loops=8": 0.0}
    assert extrapolation_gap(MQAR(), 1.0, beyond) == pytest.approx(0.6)
    assert extrapolation_gap(MQAR(), 0.2, {"length=128": 0.5}) == pytest.approx(-0.3)


def test_the_gap_is_of_scores_so_that_it_means_the_same_for_every_task():
    assert extrapolation_gap(BytesLM(), 4.0, {"length=512": 6.0}) == pytest.approx(0.25)


def test_a_set_without_finite_predictions_counts_as_nothing_learnt():
    assert extrapolation_gap(MQAR(), 1.0, {"length=128": 0.9, "length=256": None}) == 1.0


@pytest.mark.parametrize("beyond", [{}, {"loops=8": 0.5}, {"length=32": 0.5, "length=64": 0.7}])
def test_without_a_longer_set_there_is_no_gap(beyond: dict[str, float | None]):
    assert extrapolation_gap(MQAR(), 1.0, beyond) is None
