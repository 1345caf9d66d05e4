"""Rounding to few bits in the forward pass while the gradient passes straight through (arXiv 1308.3432).

Fake quantisation: the result keeps the input's dtype and takes few different values. Scales come from the vector or the matrix
itself, so nothing is calibrated, and every token is rounded by itself. BitNet b1.58 (2402.17764), FP8 (2209.05433), n:m
masks (2102.04010).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_SCALE = 1e-5
"""What a largest or mean magnitude is taken to be at least, so that zeros stay zeros."""

FP8 = {"fp8_e4m3": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}


def fake_quantise_absmax(x: Tensor, bits: int) -> Tensor:
    """Each vector along the last axis on an even grid of 2^bits - 1 points: its largest magnitude is the largest integer.

    2 bits are {-1, 0, 1} times the largest magnitude. Raises ValueError below 2 bits.
    """
    if bits < 2:
        raise ValueError(f"{bits} bits hold no sign and magnitude; at least 2")
    plain = _plain(x)
    scale = (2 ** (bits - 1) - 1) / plain.abs().amax(dim=-1, keepdim=True).clamp(min=SMALLEST_SCALE)
    return straight_through(x, (plain * scale).round() / scale)


def fake_quantise_ternary(weight: Tensor) -> Tensor:
    """Every matrix [..., X, Y] as {-1, 0, 1} times its mean magnitude."""
    plain = _plain(weight)
    scale = plain.abs().mean(dim=(-2, -1), keepdim=True).clamp(min=SMALLEST_SCALE)
    return straight_through(weight, (plain / scale).round().clamp(-1, 1) * scale)


def fake_quantise_fp8(x: Tensor, kind: str, axes: tuple[int, ...]) -> Tensor:
    """A cast to the 8-bit float `kind` of `FP8` and back, scaled so that the largest magnitude over `axes` is its largest."""
    dtype, plain = FP8[kind], _plain(x)
    largest = torch.finfo(dtype).max
    scale = largest / plain.abs().amax(dim=axes, keepdim=True).clamp(min=SMALLEST_SCALE)
    return straight_through(x, (plain * scale).clamp(-largest, largest).to(dtype).to(plain.dtype) / scale)


def keep_largest(weight: Tensor, n_kept: int, group: int) -> Tensor:
    """Zero all but the `n_kept` largest magnitudes in every `group` neighbours of the last axis.

    The gradient reaches the zeroed weights too, so that they may come back. A last group that is not full is filled up with
    zeros.
    """
    size = weight.shape[-1]
    groups = torch.unflatten(F.pad(weight.detach(), (0, -size % group)), -1, (-1, group))
    kept = groups.abs().topk(n_kept, dim=-1).indices
    masked = torch.zeros_like(groups).scatter(-1, kept, groups.gather(-1, kept))
    return straight_through(weight, masked.flatten(-2)[..., :size])


def straight_through(x: Tensor, rounded: Tensor) -> Tensor:
    """The value of `rounded` in the dtype of x, with the gradient of x."""
    # torch gives this method no types
    result: Tensor = _StraightThrough.apply(x, rounded.to(x.dtype))  # type: ignore[no-untyped-call]
    return result


class _StraightThrough(torch.autograd.Function):
    # x + (rounded - x).detach() would do, but changes the last bits and takes several times as long

    @staticmethod
    def forward(_ctx: Any, _x: Tensor, rounded: Tensor) -> Tensor:
        return rounded

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def _plain(x: Tensor) -> Tensor:
    """Without gradient, in float32. Half precision has too few bits for scales; with more bits than float32, numbers that lie
    halfway between two others, as products of integers often do, would be rounded by the noise of the sum that made them."""
    return x.detach().float()
