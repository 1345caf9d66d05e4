"""The long convolution by FFT against its float64 definition."""

import pytest
import torch
from torch import Tensor

from kernels.dispatch import force
from kernels.long_conv import long_conv
from tests.kernels.accuracy import assert_equals_definition, each, in_float64


def make_inputs(length, lead=(2, 3)):
    generator = torch.Generator().manual_seed(length)
    return [torch.randn(*lead, length, generator=generator), torch.randn(3, length, generator=generator)]


def convolved(x: Tensor, f: Tensor) -> tuple[Tensor]:
    return (long_conv(x, f),)


@pytest.mark.parametrize("length", [1, 2, 31, 64, 65, 1024])
def test_long_conv_by_fft_equals_definition(length):
    assert_equals_definition(convolved, make_inputs(length))


@pytest.mark.parametrize("form", ["reference", "fft"])
def test_long_conv_sums_products_of_filter_and_past(form):
    x, f = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 10.0, 100.0])
    with force(form):
        assert torch.allclose(long_conv(x, f), torch.tensor([1.0, 12.0, 123.0]), atol=1e-4)


@pytest.mark.parametrize("length", [50, 64, 100])
def test_long_conv_does_not_wrap_around(length):
    """A filter as long as the sequence that remembers only the oldest token reaches nothing but the last output."""
    x, f = torch.ones(length, dtype=torch.float64), torch.zeros(length, dtype=torch.float64)
    f[-1] = 1.0
    assert torch.allclose(long_conv(x, f), f, atol=1e-12)


def test_long_conv_keeps_the_dtype_of_x():
    inputs = each(make_inputs(100), Tensor.bfloat16)
    found = long_conv(*inputs)
    assert found.dtype == torch.bfloat16
    truth = long_conv(*each(inputs, in_float64))
    assert (found.double() - truth).norm() <= 4e-3 * truth.norm()  # the rounding of the outputs to 8 bits


def test_long_conv_refuses_a_filter_of_another_length():
    with pytest.raises(ValueError, match="filter of 8 values does not fit 9 tokens"):
        long_conv(torch.zeros(2, 9), torch.zeros(8))


def test_long_conv_has_the_gradient_of_finite_differences():
    inputs = [x.double().requires_grad_() for x in make_inputs(5)]
    assert torch.autograd.gradcheck(long_conv, inputs)
