import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import search_spaces.quota
from kernels.dispatch import force
from kernels.quota import admit, quota

SHARES = [0.001, 0.1, 0.125, 1 / 3, 0.5, 2 / 3, 1 - 1 / 3, 0.7, 0.99, 1.0, 1.25]


def wishes(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.6


@pytest.mark.parametrize("share", SHARES)
def test_quota_is_that_of_the_cost(share):
    counts = torch.arange(1, 3000)
    assert quota(share, counts).tolist() == [search_spaces.quota.quota(share, int(n)) for n in counts]


def test_quota_is_exact_where_floats_are_not():
    assert 0.07 * 100 > 7
    assert [search_spaces.quota.quota(0.1, n) for n in (1, 10, 11, 30, 31)] == [1, 1, 2, 3, 4]
    assert search_spaces.quota.quota(0.07, 100) == 7
    assert search_spaces.quota.quota(1 - 2 / 3, 3) == 1


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("shape", [(3, 50), (2, 40, 3), (1, 1)])
def test_parallel_form_is_the_definition(share, shape):
    with force("reference"):
        truth, counts = admit(wishes(*shape), share)
    admitted, found = admit(wishes(*shape), share)
    assert admitted.dtype == torch.bool
    assert torch.equal(admitted, truth)
    assert all(map(torch.equal, counts, found))


def test_admits_first_come_first_served():
    admitted, (n_admitted, n_tokens) = admit(torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1]]).bool(), 0.25)
    assert admitted.tolist() == [[False, False, True, False, True, False, False, False]]
    assert (n_admitted.tolist(), n_tokens.tolist()) == ([2], [8])


@pytest.mark.parametrize("share", SHARES)
def test_never_admits_more_than_the_quota_and_only_who_wishes(share):
    wished = wishes(4, 60, 2)
    admitted, _ = admit(wished, share)
    assert not (admitted & ~wished).any()
    assert (admitted.cumsum(1) <= quota(share, torch.arange(1, 61))[:, None]).all()
    everyone, _ = admit(torch.ones(1, 60).bool(), share)
    assert everyone.sum() == min(60, quota(share, torch.tensor(60)))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.sampled_from(SHARES))
def test_continues_from_earlier_tokens(lengths, share):
    wished, counts, parts = wishes(2, sum(lengths)), None, []
    for segment in wished.split(lengths, dim=1):
        admitted, counts = admit(segment, share, counts)
        parts.append(admitted)
    whole, after = admit(wished, share)
    assert torch.equal(torch.cat(parts, dim=1), whole)
    assert counts is not None
    assert all(map(torch.equal, counts, after))
    assert [count.dtype for count in after] == [torch.int32, torch.int32]


def test_refuses_a_share_that_is_not_positive():
    with pytest.raises(ValueError, match="share 0 must be positive"):
        admit(wishes(1, 4), 0)
