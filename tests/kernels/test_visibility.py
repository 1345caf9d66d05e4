"""Patterns of visible tokens: masks and places against the definitions, written as conditions on two numbers."""

import pytest
import torch

from kernels.visibility import BigBird, Fixed, Strided, Window
from search_spaces.primitives.visible_keys import block_keys, fixed_keys, strided_keys, window_keys

LENGTHS = [1, 2, 5, 12, 13, 57, 100]


def whole_mask(visibility, length):
    return visibility.mask(torch.arange(length), torch.arange(length))


def by_rule(rule, length):
    return torch.tensor([[j <= t and rule(t, j) for j in range(length)] for t in range(length)])


CASES = {
    "all": (Window(), lambda t, j: j <= t, lambda n: window_keys(n, n)),
    "window": (Window(5), lambda t, j: t - j < 5, lambda n: window_keys(n, 5)),
    "window_1": (Window(1), lambda t, j: t == j, lambda n: window_keys(n, 1)),
    "global": (Window(4, 3), lambda t, j: t - j < 4 or j < 3, lambda n: window_keys(n, 7)),
    "strided": (Strided(6), lambda t, j: t - j < 6 or (t - j) % 6 == 0, lambda n: strided_keys(n, 6)),
    "fixed": (Fixed(5, 2), lambda t, j: t // 5 == j // 5 or j % 5 >= 3, lambda n: fixed_keys(n, 5, 2)),
    "fixed_whole": (Fixed(4, 4), lambda t, j: j <= t, lambda n: fixed_keys(n, 4, 4)),
    "blocks": (BigBird(4, 0, 0), lambda t, j: t // 4 - j // 4 <= 1, lambda n: block_keys(n, 4, 1)),
    "blocks_global": (BigBird(3, 2, 0), lambda t, j: t // 3 - j // 3 <= 1 or j < 6, lambda n: block_keys(n, 3, 3)),
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", CASES)
def test_mask_is_the_definition_and_is_counted_in_closed_form(name, length):
    visibility, rule, count = CASES[name]
    mask = whole_mask(visibility, length)
    assert torch.equal(mask, by_rule(rule, length))
    assert int(mask.sum()) == count(length)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("visibility", [*(case[0] for case in CASES.values()), BigBird(4, 1, 2), BigBird(3, 0, 5)], ids=str)
def test_last_token_reads_the_places_its_row_of_the_mask_has(visibility, length):
    row = whole_mask(visibility, length)[-1]
    places = visibility.last(length)
    assert row.all() if places is None else sorted(places.tolist()) == row.nonzero().flatten().tolist()


@pytest.mark.parametrize(("n_global", "n_random"), [(0, 1), (1, 2), (2, 3), (0, 5)])
def test_bigbird_sees_one_block_of_each_share_of_the_others(n_global, n_random):
    size, length = 3, 120
    mask = whole_mask(BigBird(size, n_global, n_random), length)
    assert int(mask.sum()) == block_keys(length, size, 1 + n_global + n_random)
    blocks = mask.unflatten(0, (-1, size)).unflatten(2, (-1, size))
    for block in range(length // size):
        whole = blocks[block].all(2).all(0)
        assert torch.equal(whole[:block], blocks[block].any(2).any(0)[:block]), "earlier blocks are seen whole or not at all"
        others = block - 1 - n_global
        chosen = whole[n_global : block - 1].nonzero().flatten().tolist()
        shares = [range(i * others // n_random, (i + 1) * others // n_random) for i in range(n_random)] if others > 0 else []
        assert [sum(place in share for place in chosen) for share in shares] == [min(1, len(share)) for share in shares]
        assert len(chosen) == min(max(0, others), n_random)


def test_bigbird_chooses_its_random_blocks_evenly_and_for_ever():
    mask = whole_mask(BigBird(1, 0, 1), 1000)
    chosen = torch.stack([mask[t, : t - 1].nonzero().flatten()[0] / (t - 1) for t in range(2, 1000)])
    quarters = torch.histc(chosen, 4, 0, 1)
    assert quarters.min() > 200
    # written down once: a digest stands for these very blocks
    assert [mask[t, : t - 1].nonzero().item() for t in (10, 100, 500, 999)] == [4, 35, 1, 978]


@pytest.mark.parametrize("function", [window_keys, strided_keys, block_keys])
def test_keys_of_a_million_tokens_are_counted_at_once(function):
    extra = (3,) if function is block_keys else ()
    assert 10**6 <= function(10**6, 1000, *extra) <= 10**12


def test_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="window 0 must be at least 1"):
        Window(0)
