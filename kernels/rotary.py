"""Rotary positions: pairs of channels turn by an angle that grows with the position (arXiv 2104.09864)."""

import torch
from torch import Tensor

BASE = 10_000.0


def rotation(positions: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [..., T, size / 2] float32 each, for vectors of an even `size` at integer positions [..., T]."""
    frequencies = BASE ** -(torch.arange(0, size, 2, device=positions.device, dtype=torch.float32) / size)
    angles = positions.to(torch.float32)[..., None] * frequencies
    return angles.cos(), angles.sin()


def rotate(x_BTHD: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (i, i + D / 2) of every head's channels by their position's angles; the dtype is kept."""
    cos_T1D, sin_T1D = (table[..., None, :].to(x_BTHD.dtype) for table in rotation)
    first, second = x_BTHD.chunk(2, dim=-1)
    return torch.cat([first * cos_T1D - second * sin_T1D, second * cos_T1D + first * sin_T1D], dim=-1)
