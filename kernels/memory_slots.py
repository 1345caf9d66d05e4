"""A memory that tokens address by content: the neural Turing machine's write and read (arXiv 1410.5401).

    w_t = softmax_m(k_t^T M_m / |M_m|)   M <- M * (1 - w_t e_t^T) + w_t a_t^T   r_th = sum_m softmax_m(k_th^T M_m / |M_m|) M_m

The keys k are unit vectors times their strength. With allocation the write may go to the least used slots instead
(differentiable neural computer, doi 10.1038/nature20101). A slot's likeness depends on all writes before, so tokens are taken
one after another: this loop is the definition and the only form. Letters: B batch, T tokens, M slots, W width, R reads.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.precision import wide

SMALLEST = 1e-6
"""Added to squared lengths, and the least usage of a slot, so that neither a length nor a product of usages is zero."""


@dataclass(frozen=True)
class Addresses:
    """What every token writes and reads."""

    write_key_BTW: Tensor
    erase_BTW: Tensor
    """How much of each channel a fully addressed slot loses, 0 to 1."""
    add_BTW: Tensor
    read_key_BTRW: Tensor


@dataclass(frozen=True)
class Gates:
    """The choices that allocation adds, each 0 to 1."""

    write_BT: Tensor
    """How much is written at all."""
    allocation_BT: Tensor
    """How much of it goes to unused slots rather than to similar ones."""
    free_BTR: Tensor
    """How far each read slot becomes unused."""


def unit(x: Tensor) -> Tensor:
    """Vectors along the last axis, at length one, in float32 at least; zeros stay zeros."""
    x = wide(x)
    return x * torch.rsqrt(x.square().sum(dim=-1, keepdim=True) + SMALLEST)


def memory_slots(addresses: Addresses, memory_BMW: Tensor) -> tuple[Tensor, Tensor]:
    """The reads [B, T, R, W] and the memory after the last token."""
    memories, slots, slots_BMW = [], [], unit(memory_BMW)
    for key_BW, erase_BW, add_BW, _ in _by_token(addresses):
        memory_BMW = _written(memory_BMW, _similar(key_BW[:, None], slots_BMW)[:, 0], erase_BW, add_BW)
        slots_BMW = unit(memory_BMW)
        memories.append(memory_BMW)
        slots.append(slots_BMW)
    # nothing waits for the reads
    weights_BTRM = _similar(addresses.read_key_BTRW, torch.stack(slots, dim=1))
    return weights_BTRM @ torch.stack(memories, dim=1), memory_BMW


def allocated_memory_slots(
    addresses: Addresses, gates: Gates, memory_BMW: Tensor, usage_BM: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The reads [B, T, R, W], and the memory and how far each slot is in use, 0 to 1, after the last token.

    A token's free gates act on its own reads, so that usage is all that the next token needs; as published they act on the
    reads of the token before.
    """
    memories, reads, slots_BMW = [], [], unit(memory_BMW)
    for key_BW, erase_BW, add_BW, read_key_BRW, write_B, choice_B, free_BR in _by_token(addresses, gates):
        similar_BM = _similar(key_BW[:, None], slots_BMW)[:, 0]
        weights_BM = write_B[:, None] * similar_BM.lerp(allocation(usage_BM), choice_B[:, None])
        memory_BMW = _written(memory_BMW, weights_BM, erase_BW, add_BW)
        slots_BMW = unit(memory_BMW)
        read_BRM = _similar(read_key_BRW, slots_BMW)
        memories.append(memory_BMW)
        reads.append(read_BRM)
        usage_BM = torch.lerp(usage_BM, torch.ones_like(usage_BM), weights_BM)
        for kept_BM in (1 - free_BR[:, :, None] * read_BRM).unbind(1):
            usage_BM = usage_BM * kept_BM
    return torch.stack(reads, dim=1) @ torch.stack(memories, dim=1), memory_BMW, usage_BM


def allocation(usage_BM: Tensor) -> Tensor:
    """Weights of a write to unused slots: 1 - u of a slot times the usages of all that are used less; the first win ties."""
    ordered, order = (SMALLEST + (1 - SMALLEST) * usage_BM).sort(dim=-1, stable=True)
    # a product through logarithms, whose gradient needs no look at the numbers
    logs = ordered.log()
    free = (1 - ordered) * (logs.cumsum(dim=-1) - logs).exp()
    return free.gather(-1, order.argsort(dim=-1))


def _by_token(*records: Addresses | Gates) -> Iterator[tuple[Tensor, ...]]:
    """The fields of the records, in their order, for one token after another."""
    fields = [field for record in records for field in vars(record).values()]
    return zip(*(field.unbind(1) for field in fields), strict=True)


def _similar(key_RW: Tensor, slots_MW: Tensor) -> Tensor:
    """Weights over the slots [..., R, M] by the keys' products with the slots at unit length."""
    return (key_RW @ slots_MW.mT).softmax(dim=-1)


def _written(memory_BMW: Tensor, weights_BM: Tensor, erase_BW: Tensor, add_BW: Tensor) -> Tensor:
    """Erase, then add: M + w (a - M e)."""
    change_BMW = torch.addcmul(add_BW[:, None], memory_BMW, erase_BW[:, None], value=-1)
    return torch.addcmul(memory_BMW, weights_BM[..., None], change_BMW)
