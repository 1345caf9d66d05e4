"""What lies between a model's input and its head: meta tokens, residual streams, prelude, looped core, coda.

Meta tokens (Hymba, arXiv 2411.13676) are learned vectors before the first token, at positions 0, 1, ...; they pass every layer
and their outputs are dropped. Decoding runs them once, in the initial state. A windowed attention sees them while they are in
its window; one with global tokens counts them among those.
"""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from workers.model.depth import make_core
from workers.model.layers import Block, Initialiser, Pass, State
from workers.model.stack import Stack
from workers.model.streams import from_streams, to_streams


class Backbone(Block):
    """Maps embedded tokens [B, T, D] to the stream before the last norm, [B, T, D]. State: prelude, core, coda."""

    undecayed: ClassVar[tuple[str, ...]] = ("meta",)

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.n_meta = architecture.n_meta
        self.meta = nn.Parameter(torch.empty(architecture.n_meta, architecture.d_model)) if architecture.n_meta else None
        self.n_streams = architecture.n_streams
        self.prelude = Stack(architecture.prelude, architecture.d_model, architecture.norm, architecture.n_streams)
        self.core = make_core(architecture)
        self.coda = Stack(architecture.coda, architecture.d_model, architecture.norm, architecture.n_streams)

    def initialise(self, init: Initialiser) -> None:
        """Every layer in the order a token passes them; meta tokens start like embeddings."""
        if self.meta is not None:
            init.weight(self.meta)
        for block in self._sections():
            block.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """After the meta tokens, before the first token."""
        state = tuple(block.initial_state(batch_size) for block in self._sections())
        if self.meta is None:
            return state
        # one at a time, like any token that is decoded: this is the work that the cost counts
        for position in torch.arange(self.n_meta, device=self.meta.device)[:, None]:
            _, state = self._run(self.meta[position].repeat(batch_size, 1, 1), state, Pass(position))
        return state

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """Positions in `shared` count from the first token; the layers see them after the meta tokens."""
        if self.meta is None:
            return self._run(x, state, shared)
        shared = replace(shared, positions=shared.positions + self.n_meta, rotations={})
        if state is not None:
            return self._run(x, state, shared)
        meta = torch.arange(self.n_meta, device=x.device)
        shared = replace(shared, positions=torch.cat([meta, shared.positions]))
        out, empty = self._run(torch.cat([self.meta.expand(x.shape[0], -1, -1), x], dim=1), None, shared)
        return out[:, self.n_meta :], empty

    def _run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        x, after = to_streams(x, self.n_streams), []
        for index, block in enumerate(self._sections()):
            x, block_state = block.run(x, None if state is None else state[index], shared)
            after.append(block_state)
        return from_streams(x, self.n_streams), tuple(after)

    def _sections(self) -> tuple[Block, ...]:
        return self.prelude, self.core, self.coda
