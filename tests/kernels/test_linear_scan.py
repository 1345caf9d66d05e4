"""The linear scan: its chunked form against its float64 definition."""

import pytest
import torch

from kernels.dispatch import force
from kernels.linear_scan import linear_scan
from tests.kernels.accuracy import assert_equals_definition


def make_inputs(length, decay=None):
    generator = torch.Generator().manual_seed(length)
    x, gates = torch.randn(2, length, 5, generator=generator), torch.rand(2, length, 5, generator=generator)
    return [x, gates if decay is None else torch.full_like(gates, decay), torch.randn(2, 5, generator=generator)]


def scan(*inputs):
    return [linear_scan(*inputs)]


@pytest.mark.parametrize("length", [1, 2, 4, 5, 16, 63, 64, 65, 200])
def test_linear_scan_chunked_equals_definition(length):
    assert_equals_definition(scan, make_inputs(length))


@pytest.mark.parametrize("decay", [0.0, 1e-30, 0.999999, 1.0])
def test_linear_scan_keeps_extreme_decays_exact(decay):
    assert_equals_definition(scan, make_inputs(100, decay))


def test_linear_scan_by_hand():
    x, decay = torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[[0.5], [0.5], [0.0]]])
    for form in ("reference", "chunked"):
        with force(form):
            assert linear_scan(x, decay, torch.tensor([[4.0]])).flatten().tolist() == [3.0, 3.5, 3.0]


def test_linear_scan_takes_fewer_steps_than_tokens():
    """A loop over tokens adds and multiplies once for each; chunks need about twice the square root."""
    inputs = make_inputs(256)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        linear_scan(*inputs)
    steps = sum(event.count for event in profile.key_averages() if event.key == "aten::addcmul")
    assert steps <= 48


def test_linear_scan_refuses_shapes_that_do_not_fit():
    x, decay, state = make_inputs(5)
    with pytest.raises(ValueError, match=r"must be \[2, 5, 5\] and \[2, 5\]"):
        linear_scan(x, decay[:, 1:], state)
    with pytest.raises(ValueError, match="state"):
        linear_scan(x, decay, state[:1])
