import math

import numpy as np
import pytest
from scipy import stats

from nas.statistics.noise import detectable_difference, noise_floor, noise_floors


def test_the_floor_pools_squares_over_architectures():
    floor = noise_floor([(0.1, 0.3), (0.5, 0.6, 0.7), (0.9,)])
    assert floor is not None
    # squares 0.02 and 0.02 with one and two degrees of freedom; a single seed says nothing
    assert floor.standard_deviation == pytest.approx(math.sqrt(0.04 / 3))
    assert (floor.degrees_of_freedom, floor.n_groups) == (3, 2)


def test_the_floors_interval_is_chi_square():
    floor = noise_floor([(0.1, 0.3), (0.5, 0.6, 0.7)])
    assert floor is not None
    assert (floor.low, floor.high) == pytest.approx(
        (math.sqrt(0.04 / stats.chi2.ppf(0.975, 3)), math.sqrt(0.04 / stats.chi2.ppf(0.025, 3)))
    )


def test_the_floors_interval_covers_the_truth():
    draws = np.random.default_rng(0).normal(0, 2, (1000, 4, 3))
    floors = [noise_floor(groups.tolist()) for groups in draws]
    assert 0.93 <= np.mean([floor is not None and floor.low <= 2 <= floor.high for floor in floors]) <= 0.97


def test_without_replicas_there_is_no_floor():
    assert noise_floor([(0.1,), (0.2,)]) is None
    assert noise_floors({"a": [(0.1,)], "b": [(0.1, 0.2)]}).keys() == {"b"}


@pytest.mark.parametrize("n_seeds", [2, 3, 5, 20])
def test_the_detectable_difference_has_its_power_in_closed_form(n_seeds):
    difference = detectable_difference(0.5, n_seeds)
    freedom = 2 * (n_seeds - 1)
    centre, critical = difference / 0.5 / math.sqrt(2 / n_seeds), stats.t.ppf(0.975, freedom)
    power = stats.nct.sf(critical, freedom, centre) + stats.nct.cdf(-critical, freedom, centre)
    assert power == pytest.approx(0.8, abs=1e-6)


def test_the_detectable_difference_is_detected_4_times_in_5():
    generator = np.random.default_rng(1)
    one = generator.normal(0, 1, (20_000, 3))
    other = generator.normal(detectable_difference(1, 3), 1, (20_000, 3))
    assert np.mean(stats.ttest_ind(one, other, axis=1).pvalue <= 0.05) == pytest.approx(0.8, abs=0.01)


def test_more_seeds_see_smaller_differences():
    differences = [detectable_difference(1, n_seeds) for n_seeds in range(1, 12)]
    assert differences[0] == math.inf
    assert differences == sorted(differences, reverse=True)
    # the textbook's large sample: (1.960 + 0.842) sqrt(2 / n)
    assert detectable_difference(1, 10_000) == pytest.approx(2.802 * math.sqrt(2 / 10_000), rel=1e-3)


def test_a_floor_with_many_degrees_of_freedom_serves_single_seeds():
    floor = noise_floor(np.random.default_rng(2).normal(size=(100, 3)).tolist())
    assert floor is not None
    assert floor.detectable_difference(1) == pytest.approx(2.802 * math.sqrt(2) * floor.standard_deviation, rel=0.02)


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="one seed or more"):
        detectable_difference(1, 0)
