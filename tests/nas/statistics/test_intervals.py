import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nas.statistics.intervals import mean_interval


def coverage(draws, truth, sample_error=0.0):
    intervals = [mean_interval(row.tolist(), sample_error) for row in draws]
    return np.mean([interval.low <= truth <= interval.high for interval in intervals])


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_normal_seeds_are_covered_93_to_97_times_in_100(n):
    draws = np.random.default_rng(n).normal(0.7, 0.05, (700, n))
    assert 0.93 <= coverage(draws, 0.7) <= 0.97


@pytest.mark.parametrize("n", [3, 10])
def test_scores_near_their_ceiling_are_covered(n):
    draws = np.random.default_rng(n).beta(8, 2, (700, n))
    assert 0.92 <= coverage(draws, 0.8) <= 0.97


def test_skewed_scores_are_covered_better_than_by_students_interval():
    draws = np.random.default_rng(0).exponential(size=(700, 20))
    reach = stats.t.ppf(0.975, 19) * draws.std(axis=1, ddof=1) / math.sqrt(20)
    student = np.mean(np.abs(draws.mean(axis=1) - 1) <= reach)
    assert coverage(draws, 1.0) > student + 0.01


@pytest.mark.parametrize(("n", "sample_error"), [(3, 0.02), (3, 0.05), (10, 0.01)])
def test_seeds_that_share_a_test_sample_are_covered(n, sample_error):
    generator = np.random.default_rng(n)
    draws = generator.normal(0.7, 0.05, (700, n)) + generator.normal(0, sample_error, (700, 1))
    assert 0.93 <= coverage(draws, 0.7, sample_error) <= 0.97


def test_the_percentile_bootstrap_would_not_do():
    draws = np.random.default_rng(3).normal(size=(500, 3))
    chosen = np.random.default_rng(4).integers(0, 3, (999, 3))
    low, high = np.quantile(draws[:, chosen].mean(axis=2), (0.025, 0.975), axis=1)
    assert np.mean((low <= 0) & (high >= 0)) < 0.8


def test_few_seeds_have_nearly_students_interval():
    interval = mean_interval([0.5, 0.6, 0.7])
    assert interval.covers == "replicas"
    assert interval.high - interval.value == pytest.approx(4.303 * 0.1 / math.sqrt(3), rel=0.15)


def test_one_seed_has_the_interval_of_its_test_sample():
    interval = mean_interval([0.5], sample_error=0.01)
    assert interval.covers == "test_sample"
    assert (interval.low, interval.high) == pytest.approx((0.5 - 0.0196, 0.5 + 0.0196), abs=1e-5)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_what_has_no_interval_is_refused(values):
    with pytest.raises(ValueError, match="two seeds or more"):
        mean_interval(values)


def test_seeds_that_agree_leave_the_test_sample():
    assert mean_interval([0.1 + 0.2, 0.3, 0.3]).high == pytest.approx(0.3)
    assert mean_interval([0.3, 0.3, 0.3], 0.01).high == pytest.approx(0.3196, abs=1e-4)


def test_within_cuts_to_a_scale():
    interval = mean_interval([0.9, 1.0, 1.0]).within(0, 1)
    assert interval.low < interval.value < interval.high == 1


seeds = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=12)


@given(values=seeds, random=st.randoms())
def test_the_order_of_seeds_does_not_matter(values, random):
    shuffled = random.sample(values, len(values))
    assert mean_interval(shuffled) == mean_interval(values)


@given(values=seeds, scale=st.sampled_from([0.01, 3.0, 1000.0]), shift=st.floats(-5, 5))
def test_the_interval_goes_with_the_unit(values, scale, shift):
    one, other = mean_interval(values), mean_interval([scale * value + shift for value in values])
    assert other.low == pytest.approx(scale * one.low + shift, rel=1e-6, abs=1e-6)
    assert other.high == pytest.approx(scale * one.high + shift, rel=1e-6, abs=1e-6)


@given(values=seeds, error=st.floats(0.001, 1))
def test_a_test_sample_only_widens(values, error):
    one, other = mean_interval(values), mean_interval(values, error)
    assert other.low <= one.low <= one.value <= one.high <= other.high
    assert other.low < other.value < other.high
