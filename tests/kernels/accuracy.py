"""How far a float32 kernel is from its float64 definition, for outputs and gradients alike."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from kernels.dispatch import force

TOLERANCE = 1e-5


def assert_equals_definition(kernel: Callable[..., Sequence[Tensor]], inputs: Sequence[Any]) -> None:
    """Outputs and gradients of the float32 kernel are within 1e-5, relative to their norm, of the float64 definition.

    A gradient that is nothing by definition, such as that of a score that has no other beside it, is a difference of equal
    numbers as large as the others: some processors leave their rounding.
    """
    with force("reference"):
        truth = outputs_and_gradients(kernel, each(inputs, in_float64))
    rounding = torch.finfo(torch.float32).eps * max(expected.norm().item() for expected in truth)
    for expected, found in zip(truth, outputs_and_gradients(kernel, inputs), strict=True):
        assert found.isfinite().all()
        allowed = TOLERANCE * max(expected.norm().item(), 1e-6 * expected.numel() ** 0.5) if expected.any() else rounding
        assert (found.double() - expected).norm().item() <= allowed


def each(inputs: Sequence[Any], change: Callable[[Tensor], Tensor]) -> list[Any]:
    """`change` of every input that is not missing."""
    return [None if x is None else change(x) for x in inputs]


def in_float64(x: Tensor) -> Tensor:
    """The same numbers in float64; integers as they are."""
    return x.double() if x.is_floating_point() else x


def outputs_and_gradients(kernel: Callable[..., Sequence[Tensor]], inputs: Sequence[Any]) -> Sequence[Tensor]:
    """What the kernel returns, then the gradient of a fixed random sum of it for every floating-point input."""
    leaves = each(inputs, lambda x: x.detach().requires_grad_(x.is_floating_point()))
    outputs = list(kernel(*leaves))
    generator = torch.Generator().manual_seed(1)
    loss = sum((x * torch.randn(x.shape, generator=generator).to(x)).sum() for x in outputs)
    wanted = [x for x in leaves if x is not None and x.requires_grad]
    assert isinstance(loss, Tensor)
    return [x.detach() for x in outputs] + list(torch.autograd.grad(loss, wanted))
