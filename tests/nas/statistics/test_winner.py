import math

import numpy as np
import pytest

from nas.statistics.winner import expected_drop, expected_maximum, winners_curse


def test_the_expected_maximum_in_closed_form():
    assert expected_maximum(1) == pytest.approx(0, abs=1e-12)
    assert expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi))
    assert expected_maximum(3) == pytest.approx(1.5 / math.sqrt(math.pi))
    # Harter 1961, table of normal order statistics
    assert expected_maximum(10) == pytest.approx(1.53875, abs=1e-5)
    assert expected_maximum(100) == pytest.approx(2.50759, abs=1e-5)


def test_the_expected_maximum_only_grows():
    maxima = [expected_maximum(n) for n in (1, 2, 5, 50, 1000, 100_000)]
    assert maxima == sorted(maxima)


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_the_expected_drop_is_what_the_best_loses_on_fresh_seeds(spread):
    generator = np.random.default_rng(0)
    truth = generator.normal(0, spread, (2000, 50)) if spread else np.zeros((2000, 50))
    seen = truth + generator.normal(size=truth.shape)
    best = seen.argmax(axis=1)[:, None]
    lost = (np.take_along_axis(seen, best, 1) - np.take_along_axis(truth, best, 1)).mean()
    assert np.mean([expected_drop(row, 1.0) for row in seen.tolist()]) == pytest.approx(lost, rel=0.08)


def test_nothing_is_lost_without_noise_or_choice():
    assert expected_drop([0.1, 0.9], 0.0) == 0
    assert expected_drop([0.1, 0.1], 0.0) == 0
    assert expected_drop([0.9], 1.0) == 0


def test_a_score_that_fresh_seeds_do_not_reach_is_not_confirmed():
    cursed = winners_curse(0.99, [0.90, 0.91, 0.92], expected_drop=0.05)
    assert not cursed.confirmed
    assert cursed.drop == pytest.approx(0.08)
    assert cursed.expected_drop == 0.05
    assert winners_curse(0.92, [0.90, 0.91, 0.92]).confirmed


def test_one_fresh_seed_needs_its_test_sample():
    assert winners_curse(0.9, [0.9], sample_error=0.01).fresh.covers == "test_sample"
    with pytest.raises(ValueError, match="two seeds or more"):
        winners_curse(0.9, [0.9])
