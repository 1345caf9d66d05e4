"""The looped core: its layers run again and again with the same weights.

Loop r >= 1 enters with the output h of the loop before and the core's own input e, in this order: h moves one token later
(parallel loop transformer, arXiv 2510.24824), is normalised, joined with e (h + e, or W [h; e]); every loop, the first too,
then adds the vector of its step (Universal Transformer, 1807.03819). Loops beyond those trained take the last step's vector.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from workers.model.layers import Block, Initialiser, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import make_norm
from workers.model.stack import Stack


class Core(Block):
    """The core that runs once: its layers, and nothing around them. State: that of the layers."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.layers = Stack(architecture.core, architecture.d_model, architecture.norm, architecture.n_streams)

    def initialise(self, init: Initialiser) -> None:
        """Every layer, in order."""
        self.layers.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every layer."""
        return self.layers.initial_state(batch_size)

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The stream after the last layer."""
        return self.layers.run(x, state, shared)


class LoopEntry(nn.Module):
    """What the core's layers read in each loop."""

    undecayed: ClassVar[tuple[str, ...]] = ("steps",)

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        d_model, loop = architecture.d_model, architecture.loop
        self.injection = architecture.injection
        self.norm = make_norm(architecture.norm, d_model) if loop.norm else None
        self.join = Linear(2 * d_model, d_model, bias=False) if architecture.injection == "concat" else None
        n_steps = architecture.n_loops if loop.step_embedding else 0
        self.steps = nn.Parameter(torch.empty(n_steps, d_model)) if n_steps else None

    def initialise(self, init: Initialiser) -> None:
        """W starts as the sum h + e; steps start like embeddings."""
        if self.norm is not None:
            self.norm.initialise()
        if self.join is not None:
            self.join.weight.copy_(torch.eye(self.join.out_features, device=self.join.weight.device).repeat(1, 2))
        if self.steps is not None:
            init.weight(self.steps)

    def forward(self, h: Tensor, core_input: Tensor, loop: int) -> Tensor:
        """The input of 0-based `loop` from the output h of the loop before; in the first, h is the core's input."""
        if loop:
            h = self._joined(h if self.norm is None else self.norm(h), core_input)
        return h if self.steps is None else h + self.steps[min(loop, len(self.steps) - 1)]

    def _joined(self, h: Tensor, core_input: Tensor) -> Tensor:
        if self.join is not None:
            joined: Tensor = self.join(torch.cat([h, core_input], dim=-1))
            return joined
        return h + core_input if self.injection == "add" else h


class LoopedCore(Core):
    """The core with a fixed number of loops: `n_loops` in training, `n_eval_loops` in evaluation and decoding.

    State, for each loop: that of the layers, and with `shift` the last output of the loop before.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.loop, self.n_loops, self.n_eval_loops = architecture.loop, architecture.n_loops, architecture.n_eval_loops
        streams = () if architecture.n_streams == 1 else (architecture.n_streams,)
        self.shape = (*streams, architecture.d_model)
        self.entry = LoopEntry(architecture)

    def initialise(self, init: Initialiser) -> None:
        """The layers, then what joins the loops."""
        super().initialise(init)
        self.entry.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every loop; before the first token the loop before has put out zeros."""
        weight = next(self.layers.parameters())
        before = (weight.new_zeros(batch_size, 1, *self.shape),) if self.loop.shift else ()
        return tuple((self.layers.initial_state(batch_size), before if loop else ()) for loop in range(self.n_eval_loops))

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The output of the last loop."""
        h, after = x, []
        for loop in range(self.loops_of(state)):
            h, loop_state = self.run_loop(h, x, loop, state, shared)
            after.append(loop_state)
        return h, tuple(after)

    def run_loop(self, h: Tensor, core_input: Tensor, loop: int, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """One loop of all tokens: its output and its next state."""
        layers_state, before = (None, ()) if state is None else state[loop]
        if self.loop.shift and loop:
            h, before = _one_later(h, before)
        h, layers_state = self.layers.run(self.entry(h, core_input, loop), layers_state, shared.in_loop(loop))
        return h, (layers_state, before)

    def loops_of(self, state: State | None) -> int:
        """How often the core runs: decoding is evaluation."""
        return self.n_loops if self.training and state is None else self.n_eval_loops


def _one_later(h: Tensor, before: State) -> tuple[Tensor, State]:
    """Every token gets the output of the token before it; also the last output, which the next token will get."""
    first = before[0] if before else torch.zeros_like(h[:, :1])
    return torch.cat([first, h[:, :-1]], dim=1), (h[:, -1:],)
