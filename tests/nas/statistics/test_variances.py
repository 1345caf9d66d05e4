import numpy as np
import pytest
from scipy.special import polygamma

from nas.statistics.variances import MANY, _inverse_trigamma, moderated


@pytest.mark.parametrize("x", [1e-3, 0.1, 1.0, 5.0, 1e4])
def test_inverse_trigamma(x):
    assert _inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-4)


def test_variances_that_differ_by_chance_only_are_all_the_pooled_one():
    # equal variances are more alike than chance allows
    variance, freedom = moderated(np.full(50, 0.04), np.full(50, 2.0))
    assert variance == pytest.approx(0.04)
    assert freedom == pytest.approx(100)


def test_variances_that_really_differ_keep_more_of_themselves():
    generator = np.random.default_rng(0)
    truth = np.where(np.arange(200) % 2, 1.0, 100.0)
    freedom = np.full(200, 4.0)
    variance, drawn_freedom = moderated(truth * generator.chisquare(4, 200) / 4, freedom)
    assert drawn_freedom[0] < 8
    assert variance[::2].mean() > 70
    assert variance[1::2].mean() < variance[::2].mean() / 2


def test_no_degrees_of_freedom_no_variance():
    variance, freedom = moderated(np.zeros(3), np.zeros(3))
    assert not variance.any()
    assert not freedom.any()


def test_a_trial_with_one_seed_borrows_and_never_has_more_freedom_than_all_together():
    variance, freedom = moderated(np.array([0.04, 0.0]), np.array([2.0, 0.0]))
    assert variance == pytest.approx(0.04)
    assert freedom.max() == 2 < MANY
