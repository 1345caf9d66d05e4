"""The looped core: its layers run again and again with the same weights.

Loop r >= 1 enters with the output h of the loop before and the core's own input e, in this order: h moves one token later
(parallel loop transformer, arXiv 2510.24824), is normalised, joined with e (h + e, or W [h; e]); every loop, the first too,
then adds the vector of its step (Universal Transformer, 1807.03819). Loops beyond those trained take the last step's vector.
"""

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.loop import PONDER_WEIGHT
from workers.model.layers import Block, Initialiser, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import make_norm
from workers.model.stack import Stack

HALTED = 0.99
"""Adaptive computation time's 1 - epsilon: a token halts once its halting probabilities sum to this."""


class LoopEntry(nn.Module):
    """What the core's layers read in each loop."""

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


class LoopedCore(Block):
    """The core with a fixed number of loops: `n_loops` in training, `n_eval_loops` in evaluation and decoding.

    State, for each loop: that of the layers, and with `shift` the last output of the loop before.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.loop, self.n_loops, self.n_eval_loops = architecture.loop, architecture.n_loops, architecture.n_eval_loops
        self.d_model = architecture.d_model
        self.layers = Stack(architecture, architecture.core)
        self.entry = LoopEntry(architecture)

    def initialise(self, init: Initialiser) -> None:
        """The layers, then what joins the loops."""
        self.layers.initialise(init)
        self.entry.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every loop; before the first token the loop before has put out zeros."""
        weight = next(self.layers.parameters())
        before = () if not self.loop.shift else (weight.new_zeros(batch_size, 1, self.d_model),)
        return tuple((self.layers.initial_state(batch_size), before if loop else ()) for loop in range(self.n_eval_loops))

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The output of the last loop."""
        h, after = x, []
        for loop in range(self._n_loops(state)):
            h, loop_state = self._loop(h, x, loop, state, shared)
            after.append(loop_state)
        return h, tuple(after)

    def _loop(self, h: Tensor, core_input: Tensor, loop: int, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """One loop: its output and its next state."""
        layers_state, before = (None, ()) if state is None else state[loop]
        if self.loop.shift and loop:
            h, before = _one_later(h, before)
        h, layers_state = self.layers.run(self.entry(h, core_input, loop), layers_state, shared.in_loop(loop))
        return h, (layers_state, before)

    def _n_loops(self, state: State | None) -> int:
        return self.n_loops if self.training and state is None else self.n_eval_loops


def _one_later(h: Tensor, before: State) -> tuple[Tensor, State]:
    """Every token gets the output of the token before it; also the last output, which the next token will get."""
    first = before[0] if before else torch.zeros_like(h[:, :1])
    return torch.cat([first, h[:, :-1]], dim=1), (h[:, -1:],)


class HaltingCore(LoopedCore):
    """Adaptive computation time (arXiv 1603.08983), as in the Universal Transformer: each token halts by itself.

    After every loop but the last a token halts with probability p = sigmoid(w h + b). Once these sum to `HALTED` the token
    keeps its value; that loop, or the last, gets what is left of 1. The output is the mean of a token's values, so weighted.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self.halting = nn.Linear(architecture.d_model, 1)
        self.ponder_weight = architecture.loop.ponder_weight or PONDER_WEIGHT

    def initialise(self, init: Initialiser) -> None:
        """Halting starts near a half."""
        super().initialise(init)
        init.weight(self.halting.weight)
        self.halting.bias.zero_()

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The weighted mean of the loops' outputs; adds the mean number of loops to the losses."""
        n_loops, after = self._n_loops(state), []
        h, out, left = x, torch.zeros_like(x), x.new_ones(*x.shape[:-1], 1)
        expected = torch.zeros_like(left)
        for loop in range(n_loops):
            entered, loop_state = self._loop(h, x, loop, state, shared)
            after.append(loop_state)
            h = torch.where(left > 0, entered, h)
            weight = left if loop + 1 == n_loops else self._weight(h, left)
            out, expected, left = out + weight * h, expected + weight * (loop + 1), left - weight
        shared.losses.append(self.ponder_weight * expected.mean())
        return out, tuple(after)

    def _weight(self, h: Tensor, left: Tensor) -> Tensor:
        """The halting probability, or all that is left of 1 where the token halts."""
        probability = self.halting(h).sigmoid()
        return torch.where(left - probability > 1 - HALTED, probability, left)


CORES: dict[str, type[LoopedCore]] = {"fixed": LoopedCore, "halting": HaltingCore}


def looped_core(architecture: Architecture) -> LoopedCore:
    """The core whose tokens loop as the architecture says, its parameters still without values."""
    return CORES[architecture.loop.depth](architecture)
