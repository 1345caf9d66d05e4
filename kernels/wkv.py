"""RWKV-4's wkv: an exponentially weighted mean of values, each channel by itself (arXiv 2305.13048).

    wkv_t = (sum_{i<t} exp((t - 1 - i) g + k_i) v_i + exp(u + k_t) v_t) / (the same without v)      g <= 0

Sums are kept relative to the largest exponent so far, as in `kernels.stabiliser`, so that no exponential overflows.
Letters: B batch, T tokens, D channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from kernels.dispatch import choose
from kernels.linear_scan import linear_scan
from kernels.precision import wide_dtype
from kernels.stabiliser import stabilise

NOTHING = -1e38
"""The largest exponent before the first token."""


class Sums(NamedTuple):
    """What was written, decayed: [B, D] each. The true sums are exp(exponent) times these."""

    numerator_BD: Tensor
    denominator_BD: Tensor
    exponent_BD: Tensor


def wkv(k_BTD: Tensor, v_BTD: Tensor, log_decay_D: Tensor, bonus_D: Tensor, sums: Sums) -> tuple[Tensor, Sums]:
    """The means [B, T, D] for tokens that follow the sums, and the next sums.

    Sums have the accumulation dtype, float32 or wider, and the means have that of the values. Raises ValueError for shapes
    that do not fit.
    """
    B, T, D = v_BTD.shape
    if k_BTD.shape != v_BTD.shape or T < 1 or any(x.shape != (D,) for x in (log_decay_D, bonus_D)):
        raise ValueError(f"k {[*k_BTD.shape]}, log_decay {[*log_decay_D.shape]} and bonus {[*bonus_D.shape]} must have [{D}]")
    if any(x.shape != (B, D) for x in sums):
        raise ValueError(f"sums {[[*x.shape] for x in sums]} must be [{B}, {D}]")
    dtype = wide_dtype(v_BTD)
    form = choose({"reference": wkv_reference, "chunked": wkv_reference if T == 1 else wkv_chunked})
    k, v, log_decay, bonus = (x.to(dtype) for x in (k_BTD, v_BTD, log_decay_D, bonus_D))
    out_BTD, sums = form(k, v, log_decay, bonus, Sums(*(x.to(dtype) for x in sums)))
    return out_BTD.to(v_BTD.dtype), sums


def wkv_reference(k_BTD: Tensor, v_BTD: Tensor, log_decay_D: Tensor, bonus_D: Tensor, sums: Sums) -> tuple[Tensor, Sums]:
    """The definition, one step per token."""
    means = []
    for k_BD, v_BD in zip(k_BTD.unbind(1), v_BTD.unbind(1), strict=True):
        read = _added(sums, k_BD + bonus_D, v_BD)
        means.append(read.numerator_BD / read.denominator_BD)
        sums = _added(sums._replace(exponent_BD=sums.exponent_BD + log_decay_D), k_BD, v_BD)
    return torch.stack(means, dim=1), sums


def wkv_chunked(k_BTD: Tensor, v_BTD: Tensor, log_decay_D: Tensor, bonus_D: Tensor, sums: Sums) -> tuple[Tensor, Sums]:
    """The same with the exponents of all tokens first, then both sums by one linear scan."""
    relative = stabilise(k_BTD, log_decay_D.expand_as(k_BTD), sums.exponent_BD)
    writes = torch.cat([relative.weight_BTH * v_BTD, relative.weight_BTH], dim=-1)
    decay = relative.log_decay_BTH.exp().repeat(1, 1, 2)
    before = torch.cat([sums.numerator_BD, sums.denominator_BD], dim=-1)
    after = linear_scan(writes, decay, before)
    entering = _sums(
        torch.cat([before[:, None], after[:, :-1]], dim=1),
        torch.cat([sums.exponent_BD[:, None], relative.maximum_BTH[:, :-1]], dim=1),
    )
    read = _added(entering, k_BTD + bonus_D, v_BTD)
    return read.numerator_BD / read.denominator_BD, _sums(after[:, -1], relative.maximum_BTH[:, -1])


def _sums(both: Tensor, exponent: Tensor) -> Sums:
    """Numerator and denominator side by side, and their exponent."""
    numerator, denominator = both.chunk(2, dim=-1)
    return Sums(numerator, denominator, exponent)


def _added(sums: Sums, exponent: Tensor, v: Tensor) -> Sums:
    """The sums with exp(exponent) v added; the largest exponent is a constant to the gradient, since it cancels."""
    with torch.no_grad():
        largest = torch.maximum(sums.exponent_BD, exponent)
    kept, added = (sums.exponent_BD - largest).exp(), (exponent - largest).exp()
    return Sums(kept * sums.numerator_BD + added * v, kept * sums.denominator_BD + added, largest)
