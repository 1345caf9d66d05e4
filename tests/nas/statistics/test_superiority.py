"""The chance that one of ours beats one of theirs, against all pairs and against SciPy."""

from random import Random

import pytest
from scipy import stats

from nas.statistics.superiority import superiority, trials_needed


@pytest.mark.parametrize("seed", range(10))
def test_share_and_p_values_are_those_of_all_pairs_and_of_scipy(seed: int) -> None:
    rng = Random(seed)
    ours = [round(rng.gauss(0.3 * (seed % 3), 1), rng.choice((0, 2))) for _ in range(rng.randint(5, 40))]
    theirs = [round(rng.gauss(0, 1), rng.choice((0, 2))) for _ in range(rng.randint(5, 40))]
    found = superiority(ours, theirs)
    assert found is not None
    pairs = [(a > b) + (a == b) / 2 for a in ours for b in theirs]
    assert found.share == pytest.approx(sum(pairs) / len(pairs))
    method = stats.PermutationMethod(n_resamples=500, rng=1)
    for p_value, side in ((found.p_better, "greater"), (found.p_worse, "less")):
        assert p_value == pytest.approx(stats.mannwhitneyu(ours, theirs, alternative=side, method=method).pvalue, abs=0.08)


def test_nobody_is_better_than_nobody() -> None:
    assert superiority([], [1.0]) is None
    assert superiority([1.0], []) is None
    same = superiority([1.0] * 5, [1.0] * 7)
    assert same is not None
    assert (same.share, same.p_better, same.p_worse) == (0.5, 1.0, 1.0)


def test_three_of_each_never_tell() -> None:
    found = superiority([4.0, 5.0, 6.0], [1.0, 2.0, 3.0])
    assert found is not None
    assert found.share == 1
    assert found.p_better == pytest.approx(1 / 20, abs=0.01)


def test_as_many_trials_as_needed_tell_four_times_in_five() -> None:
    shift, share = 0.5, float(stats.norm.cdf(0.5 / 2**0.5))
    n = trials_needed(share)
    assert n is not None
    rng = Random(0)
    told = 0
    for _ in range(60):
        found = superiority([rng.gauss(shift, 1) for _ in range(n)], [rng.gauss(0, 1) for _ in range(n)])
        assert found is not None
        told += found.p_better <= 0.025
    assert 39 <= told <= 57
    assert trials_needed(0.5) is None
