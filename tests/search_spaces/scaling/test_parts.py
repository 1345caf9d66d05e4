import math
from fractions import Fraction

import pytest

from search_spaces.primitives import Primitive
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.recurrence import gla, mamba2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.scaling.parts import Widening, friendly, head_counts, limit, nearest_divisor, widen
from search_spaces.scaling.rules import RULES, Rule, fields_with
from tests.search_spaces.examples import D_MODEL, EXAMPLES


@pytest.mark.parametrize("width", [16, D_MODEL, 48, 64, 96, 1024])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_part_follows_its_rules_at_every_width(name: str, width: int) -> None:
    part: Primitive = EXAMPLES[name]
    wide = widen(part, Widening(before=D_MODEL, after=width))
    assert not list(wide.problems(width))
    assert type(wide) is type(part)
    _check_fields(part, wide, Fraction(width, D_MODEL))
    if width == D_MODEL:
        assert wide == part


def _check_fields(part: Primitive, wide: Primitive, ratio: Fraction) -> None:
    ruled = RULES[type(part)]
    for field in type(part).model_fields:
        before, after, rule = getattr(part, field), getattr(wide, field), ruled.get(field)
        if rule in (None, Rule.KEPT, Rule.HEAD_SIZE, Rule.ROTARY) or before is None:
            assert after == before
        elif rule is Rule.ROOT:
            assert after == min(limit(type(part), field), friendly(before * math.sqrt(ratio)))
        elif rule in (Rule.WIDTH, Rule.HIDDEN):
            assert after == pytest.approx(before * ratio, abs=max(0.5, 0.04 * before * ratio))
    if fields_with(part, Rule.HEADS):
        _check_heads(part, wide, ratio)


def _check_heads(part: Primitive, wide: Primitive, ratio: Fraction) -> None:
    """As many heads share keys as before: all of them, where one group of keys was for all."""
    n_heads, n_shared = head_counts(part)
    n_new = max(1, math.floor(n_shared * ratio + Fraction(1, 2)))
    assert head_counts(wide)[0] == n_heads // n_shared * n_new
    for field in (*fields_with(part, Rule.KEY_HEADS), *fields_with(part, Rule.GROUPS)):
        assert getattr(wide, field) == (1 if getattr(part, field) == 1 and field == "n_groups" else n_new)


def test_heads_multiply_and_share_keys_as_before() -> None:
    grouped = Attention(n_heads=8, n_kv_heads=2, head_dim=16, window=128)
    wide = widen(grouped, Widening(before=64, after=1024))
    assert wide == Attention(n_heads=128, n_kv_heads=32, head_dim=16, window=128)


def test_a_head_size_that_is_given_takes_fewer_heads() -> None:
    grouped = Attention(n_heads=4, n_kv_heads=2, head_dim=16, rotary_fraction=0.25)
    wide = widen(grouped, Widening(before=64, after=1024, head_dim=128))
    assert wide == Attention(n_heads=8, n_kv_heads=4, head_dim=128, rotary_fraction=0.25)


def test_rotary_channels_stay_even_when_the_head_size_is_given() -> None:
    mixer = Attention(n_heads=4, n_kv_heads=4, head_dim=16, rotary_fraction=0.375)
    wide = widen(mixer, Widening(before=64, after=64, head_dim=20))
    assert (wide.n_heads, wide.rotary_size) == (3, 8)


@pytest.mark.parametrize(("factor", "head_dim"), [(Fraction(1, 2), 12), (Fraction(1, 4), 6), (Fraction(2), 50)])
def test_smaller_heads_are_even(factor: Fraction, head_dim: int) -> None:
    mixer = Attention(n_heads=8, n_kv_heads=4, head_dim=25, rope=False)
    wide = widen(mixer, Widening(before=200, after=200, head_factor=factor))
    assert (wide.n_heads, wide.n_kv_heads, wide.head_dim) == (int(8 / factor), int(4 / factor), head_dim)


def test_a_given_head_size_is_not_for_latent_attention() -> None:
    latent = MLA(n_heads=4, kv_rank=16, nope_dim=16, rope_dim=8, value_dim=16)
    wide = widen(latent, Widening(before=64, after=128, head_dim=128))
    assert wide == MLA(n_heads=8, kv_rank=32, nope_dim=16, rope_dim=8, value_dim=16)


def test_a_single_group_of_keys_stays_single() -> None:
    wide = widen(mamba2(64, n_heads=4, state_size=32), Widening(before=64, after=512))
    assert wide == mamba2(512, n_heads=32, state_size=32)


def test_low_ranks_grow_as_the_root_of_the_width() -> None:
    wide = widen(gla(64, n_heads=4, key_dim=16, decay_rank=16), Widening(before=64, after=1024))
    assert (wide.decay_rank, wide.n_heads, wide.n_groups) == (64, 64, 64)


def test_blocks_keep_their_size_and_a_single_one_stays_single() -> None:
    by = Widening(before=64, after=256)
    assert widen(RGLRU(n_blocks=4), by).n_blocks == 16
    assert widen(RGLRU(n_blocks=1), by).n_blocks == 1


def test_hidden_widths_take_the_factor_and_active_neurons_their_share() -> None:
    wide = widen(SwiGLU(d_ff=128, n_active=32), Widening(before=64, after=1024, hidden=1.5))
    assert wide == SwiGLU(d_ff=3072, n_active=768)


@pytest.mark.parametrize(("size", "nearest"), [(0.2, 1), (127.4, 127), (131, 128), (132, 136), (1055, 1024), (1057, 1088)])
def test_friendly_sizes_are_multiples(size: float, nearest: int) -> None:
    assert friendly(size) == nearest


def test_nearest_divisor_is_nearest_in_ratio_and_within_the_limit() -> None:
    assert nearest_divisor(48, Fraction(7), 48) == 8
    assert nearest_divisor(48, Fraction(40), 16) == 16
    assert nearest_divisor(13, Fraction(6), 13) == 13
