"""The selective scan: its chunked form against its float64 definition, and the definition against transformers."""

import pytest
import torch
from torch import Tensor
from transformers.models.mamba.modeling_mamba import mamba_selective_scan

from kernels.dispatch import force
from kernels.selective_scan import selective_scan
from tests.kernels.accuracy import assert_equals_definition, each, in_float64, outputs_and_gradients


def make_inputs(length, *, strength=1.0, channels=5, states=3):
    """x, steps, rates, b, c and state for 2 sequences."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    step, rate = strength * normal(2, length, channels).abs(), -normal(channels, states).exp()
    b, c = normal(2, length, states), normal(2, length, states)
    return [normal(2, length, channels), step, rate, b, c, normal(2, channels, states)]


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 200])
def test_selective_scan_chunked_equals_definition(length):
    assert_equals_definition(selective_scan, make_inputs(length))


@pytest.mark.parametrize("strength", [0.0, 1e-3, 200.0])
def test_selective_scan_keeps_extreme_decays_exact(strength):
    assert_equals_definition(selective_scan, make_inputs(100, strength=strength))


def test_selective_scan_has_the_gradient_of_finite_differences():
    inputs = each(make_inputs(66, channels=1, states=2), lambda x: x[:1] if x.dim() == 3 else x)
    assert torch.autograd.gradcheck(selective_scan, each(inputs, lambda x: x.double().requires_grad_()), fast_mode=True)


def test_selective_scan_equals_transformers():
    x, step, rate, b, c, _ = make_inputs(100)
    zeros = torch.zeros(2, 5, 3)

    def theirs(x: Tensor, step: Tensor, rate: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        out, state = mamba_selective_scan(x.mT, step.mT, rate, b.mT, c.mT, return_last_state=True)
        return out.mT, state

    def ours(x: Tensor, step: Tensor, rate: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        return selective_scan(x, step, rate, b, c, zeros)

    expected = outputs_and_gradients(theirs, [x, step, rate, b, c])
    found = outputs_and_gradients(ours, [x, step, rate, b, c])
    for theirs_, ours_ in zip(expected, found, strict=True):
        assert (ours_ - theirs_).norm() <= 1e-5 * theirs_.norm()


def test_selective_scan_continues_from_a_state():
    *tokens, state = make_inputs(100)

    def scanned(part: slice, state: Tensor) -> tuple[Tensor, Tensor]:
        x, step, rate, b, c = each(tokens, lambda x: x[:, part] if x.dim() == 3 else x)
        return selective_scan(x, step, rate, b, c, state)

    whole, last = scanned(slice(None), state)
    left, middle = scanned(slice(37), state)
    right, end = scanned(slice(37, None), middle)
    assert torch.allclose(torch.cat([left, right], dim=1), whole, atol=1e-5)
    assert torch.allclose(end, last, atol=1e-5)


@pytest.mark.parametrize("form", ["reference", "chunked"])
def test_selective_scan_sums_what_it_is_given_when_nothing_decays(form):
    ones = torch.ones(1, 90, 1)
    with force(form):
        out, state = selective_scan(ones, ones, torch.zeros(1, 1), ones, ones, torch.zeros(1, 1, 1))
    assert torch.equal(out[0, :, 0], torch.arange(1.0, 91.0))
    assert state.item() == 90


def test_selective_scan_keeps_the_dtype_of_x_and_accumulates_in_float32():
    inputs = each(make_inputs(100), Tensor.bfloat16)
    out, state = selective_scan(*inputs)
    assert (out.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    truth, _ = selective_scan(*each(inputs, in_float64))
    assert (out.double() - truth).norm() <= 4e-3 * truth.norm()  # the rounding of the outputs to 8 bits


@pytest.mark.parametrize(
    ("position", "shape", "name"),
    [(1, (2, 9, 4), "step"), (2, (4, 3), "rate"), (3, (2, 8, 3), "b"), (4, (2, 9, 2), "c"), (5, (1, 5, 3), "state")],
)
def test_selective_scan_refuses_shapes_that_do_not_fit(position, shape, name):
    inputs = make_inputs(9)
    inputs[position] = torch.zeros(shape)
    with pytest.raises(ValueError, match=f"{name} .* must be"):
        selective_scan(*inputs)
