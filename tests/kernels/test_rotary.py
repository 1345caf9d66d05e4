"""Rotary positions."""

import math

import pytest
import torch

from kernels.rotary import rotate, rotation


def test_rotate_keeps_lengths_and_position_zero():
    x = torch.randn(2, 5, 3, 8)
    turned = rotate(x, rotation(torch.arange(5), 8))
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)
    assert torch.equal(turned[:, 0], x[:, 0])


def test_rotate_makes_products_depend_on_distance_only():
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)

    def product(query_position: int, key_position: int) -> float:
        turned_q = rotate(q, rotation(torch.tensor([query_position]), 16))
        turned_k = rotate(k, rotation(torch.tensor([key_position]), 16))
        return float((turned_q * turned_k).sum())

    assert abs(product(7, 4) - product(103, 100)) < 1e-4
    assert abs(product(7, 4) - product(7, 5)) > 1e-3


def test_rotate_turns_the_first_pair_by_the_position_in_radians():
    x = torch.zeros(1, 1, 1, 8)
    x[..., 0] = 1.0
    turned = rotate(x, rotation(torch.tensor([2]), 8))[0, 0, 0]
    assert turned[[0, 4]].tolist() == pytest.approx([math.cos(2), math.sin(2)])
