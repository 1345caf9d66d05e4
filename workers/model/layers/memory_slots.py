"""Torch layer of `search_spaces.primitives.memory_slots`."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.memory_slots import Addresses, Gates, allocated_memory_slots, memory_slots, unit
from kernels.precision import wide
from search_spaces.primitives.memory_slots import MemorySlots
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear


class MemorySlotsLayer(Part):
    """Memory slots. State: the memory, [B, n_slots, slot_width], and with allocation its usage, [B, n_slots].

    Both are in the accumulation dtype. The memory starts as learned vectors: were all slots alike, content could never tell
    them apart.
    """

    undecayed: ClassVar[tuple[str, ...]] = ("memory_MW",)

    def __init__(self, config: MemorySlots, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.widths = [*3 * [config.slot_width], config.n_read * config.slot_width]
        self.in_proj = Linear(d_model, sum(self.widths), bias=False)
        self.gates = nn.Linear(d_model, config.n_gates)
        self.memory_MW = nn.Parameter(torch.empty(config.n_slots, config.slot_width))
        self.out_proj = Linear(self.widths[-1], d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, gates half open, slots of about unit length."""
        init.weight(self.in_proj.weight)
        init.weight(self.gates.weight)
        self.gates.bias.zero_()
        self.memory_MW.normal_(0.0, self.config.slot_width**-0.5, generator=init.generator)
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """The learned memory, none of it in use."""
        memory_BMW = wide(self.memory_MW).expand(batch_size, -1, -1)
        return (memory_BMW, memory_BMW.new_zeros(batch_size, self.config.n_slots)) if self.config.allocation else (memory_BMW,)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Write, then read, one token after another."""
        n_strengths = 1 + self.config.n_read
        strengths, gates = torch.split(wide(self.gates(x_BTD)), [n_strengths, self.config.n_gates - n_strengths], dim=-1)
        addresses = self._addresses(x_BTD, 1 + F.softplus(strengths))
        if self.config.allocation:
            reads, *state_after = allocated_memory_slots(addresses, self._gates(gates.sigmoid()), *state)
        else:
            reads, *state_after = memory_slots(addresses, *state)
        return self.out_proj(reads.flatten(2).to(x_BTD.dtype)), tuple(state_after)

    def _addresses(self, x_BTD: Tensor, strengths_BTK: Tensor) -> Addresses:
        key, erase, add, read_keys = torch.split(wide(self.in_proj(x_BTD)), self.widths, dim=-1)
        write_strength, read_strengths = torch.split(strengths_BTK, [1, self.config.n_read], dim=-1)
        read_key_BTRW = torch.unflatten(read_keys, -1, (self.config.n_read, -1))
        return Addresses(unit(key) * write_strength, erase.sigmoid(), add, unit(read_key_BTRW) * read_strengths[..., None])

    def _gates(self, opened_BTG: Tensor) -> Gates:
        return Gates(opened_BTG[..., 0], opened_BTG[..., 1], opened_BTG[..., 2:])
