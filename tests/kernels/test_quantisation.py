"""Rounding to few bits: the grids, the gradients, and torch's own 8-bit floats and transformers' BitNet as oracles."""

import pytest
import torch

from kernels.quantisation import (
    FP8,
    fake_quantise_absmax,
    fake_quantise_fp8,
    fake_quantise_ternary,
    keep_largest,
    straight_through,
)

torch.manual_seed(0)
X = torch.randn(5, 7, 24)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_absmax_keeps_each_vector_on_a_grid_around_zero(bits):
    largest = 2 ** (bits - 1) - 1
    integers = fake_quantise_absmax(X, bits) / X.abs().amax(-1, keepdim=True) * largest
    assert torch.allclose(integers, integers.round(), atol=1e-4)
    assert (integers.abs().amax(-1) - largest).abs().max() < 1e-4
    step = X.abs().amax(-1, keepdim=True) / largest
    assert ((fake_quantise_absmax(X, bits) - X).abs() <= step / 2 + 1e-6).all()


def test_absmax_of_two_bits_is_ternary():
    assert torch.equal(fake_quantise_absmax(torch.tensor([0.4, -3.0, 1.6, -1.4]), 2), torch.tensor([0.0, -3.0, 3.0, 0.0]))


def test_absmax_refuses_one_bit():
    with pytest.raises(ValueError, match="at least 2"):
        fake_quantise_absmax(X, 1)


def test_ternary_uses_the_mean_magnitude_of_each_matrix():
    weights = torch.stack([torch.tensor([[1.0, -3.0], [0.4, 0.0]]), torch.tensor([[10.0, 10.0], [10.0, -10.0]])])
    expected = torch.stack([torch.tensor([[1.1, -1.1], [0.0, 0.0]]), torch.tensor([[10.0, 10.0], [10.0, -10.0]])])
    assert torch.allclose(fake_quantise_ternary(weights), expected)


@pytest.mark.parametrize("kind", FP8)
def test_fp8_is_torchs_cast_of_the_scaled_numbers(kind):
    dtype = FP8[kind]
    scale = X.abs().amax() / torch.finfo(dtype).max
    assert torch.allclose(fake_quantise_fp8(X, kind, (0, 1, 2)), (X / scale).to(dtype).float() * scale, rtol=1e-6)
    error = (fake_quantise_fp8(X, kind, (-1,)) - X).abs() / X.abs()
    # half a unit in the last of 3 or 2 bits of mantissa, for all but the numbers below the smallest normal one
    assert error[X.abs() > 0.05].max() < {"fp8_e4m3": 2**-4, "fp8_e5m2": 2**-3}[kind] * 1.001


@pytest.mark.parametrize(("n_kept", "group"), [(2, 4), (4, 8)])
def test_mask_keeps_the_largest_of_every_group(n_kept, group):
    kept = keep_largest(X, n_kept, group).unflatten(-1, (-1, group))
    groups = X.unflatten(-1, (-1, group))
    assert (kept.count_nonzero(-1) == n_kept).all()
    assert torch.equal(kept[kept != 0], groups[kept != 0])
    smallest_kept = torch.where(kept != 0, groups.abs(), torch.inf).amin(-1)
    assert (smallest_kept > torch.where(kept == 0, groups.abs(), 0.0).amax(-1)).all()


def test_mask_keeps_as_many_of_equals_and_of_a_short_group():
    assert keep_largest(torch.ones(4), 2, 4).sum() == 2
    assert torch.equal(keep_largest(torch.arange(1.0, 7.0), 2, 4), torch.tensor([0.0, 0.0, 3.0, 4.0, 5.0, 6.0]))


@pytest.mark.parametrize(
    "round_",
    [
        lambda x: fake_quantise_absmax(x, 4),
        fake_quantise_ternary,
        lambda x: fake_quantise_fp8(x, "fp8_e4m3", (-1,)),
        lambda x: keep_largest(x, 2, 4),
    ],
)
def test_gradient_passes_straight_through(round_):
    x = X.clone().requires_grad_()
    slope = torch.randn_like(X)
    (gradient,) = torch.autograd.grad((round_(x) * slope).sum(), x)
    assert torch.equal(gradient, slope)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_zeros_stay_zeros_and_dtypes_stay(dtype):
    zeros = torch.zeros(2, 8, dtype=dtype)
    for rounded in (
        fake_quantise_absmax(zeros, 8),
        fake_quantise_ternary(zeros),
        fake_quantise_fp8(zeros, "fp8_e5m2", (-1,)),
        keep_largest(zeros, 2, 4),
    ):
        assert torch.equal(rounded, zeros)
        assert rounded.dtype == dtype


def test_straight_through_keeps_every_bit_of_the_rounded_value():
    x, rounded = torch.tensor([1e-9, 1e9]), torch.tensor([3.0, 0.1])
    assert torch.equal(straight_through(x, rounded), rounded)
