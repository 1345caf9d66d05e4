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
    """Turn the pairs (i, i + R / 2) of every head's first R channels by their position's angles; the dtype is kept.

    R is the size that the tables are for; channels beyond it stay as they are (partial rotary positions).
    """
    cos_T1R, sin_T1R = (table[..., None, :].to(x_BTHD.dtype) for table in rotation)
    half = cos_T1R.shape[-1]
    first, second, rest = x_BTHD[..., :half], x_BTHD[..., half : 2 * half], x_BTHD[..., 2 * half :]
    return torch.cat([first * cos_T1R - second * sin_T1R, second * cos_T1R + first * sin_T1R, rest], dim=-1)
