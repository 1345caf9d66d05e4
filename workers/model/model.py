"""Architecture to torch module: embedding, residual layers (the core `n_loops` times with the same weights), norm, head.

The modules never synchronise with the host and keep static shapes, so a whole training step can be captured as a graph.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.cost import check_size
from workers.model.layers import Initialiser, Pass, RMSNorm, State
from workers.model.layers.moe import MoELayer
from workers.model.residual import ResidualLayer


@dataclass(frozen=True)
class Output:
    """What a forward pass returns."""

    logits_BTV: Tensor
    auxiliary_loss: Tensor
    """Scalar to add to the training loss: the routers' weighted balance losses, 0 without any."""


@dataclass(frozen=True)
class DecodingState:
    """What the model keeps of its sequences between tokens."""

    n_tokens: int
    """Tokens seen so far."""
    blocks: State
    """The state of every layer, in the order a token passes them, once for each loop."""


class Model(nn.Module):
    """One architecture with weights. Make it with `build`."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        d_model, vocab_size = architecture.d_model, architecture.input.vocab_size
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.prelude, self.core, self.coda = (
            nn.ModuleList(ResidualLayer(layer, d_model) for layer in layers)
            for layers in (architecture.prelude, architecture.core, architecture.coda)
        )
        self.norm = RMSNorm(d_model)
        self.head = None if architecture.input.tie_embeddings else nn.Linear(d_model, vocab_size, bias=False)

    def initialise(self, generator: torch.Generator | None) -> None:
        """Draw every weight anew; without a generator from torch's global one."""
        init = Initialiser(generator, (2 * self.architecture.n_unrolled_layers) ** -0.5)
        with torch.no_grad():
            init.weight(self.embedding.weight)
            for layer in (*self.prelude, *self.core, *self.coda):
                layer.initialise(init)
            self.norm.initialise()
            if self.head is not None:
                init.weight(self.head.weight)

    def forward(self, tokens_BT: Tensor) -> Output:
        """Logits for the token after each one, [B, T, vocabulary], from integer tokens [B, T]."""
        shared = Pass(torch.arange(tokens_BT.shape[1], device=tokens_BT.device))
        logits_BTV, _ = self._run(tokens_BT, None, shared)
        losses = shared.losses
        return Output(logits_BTV, torch.stack(losses).sum() if losses else logits_BTV.new_zeros(()))

    def update_routing_biases(self) -> None:
        """Once per training step: move the biases of every router that is balanced by bias."""
        for module in self.modules():
            if isinstance(module, MoELayer):
                module.update_routing_bias()

    def initial_state(self, batch_size: int) -> DecodingState:
        """The state before the first token."""
        return DecodingState(0, tuple(block.initial_state(batch_size) for block, _ in self._unrolled()))

    def extend(self, tokens_BT: Tensor, state: DecodingState) -> tuple[Tensor, DecodingState]:
        """Decode T tokens that follow `state`: their logits [B, T, vocabulary] and the next state."""
        n_tokens = state.n_tokens + tokens_BT.shape[1]
        shared = Pass(torch.arange(state.n_tokens, n_tokens, device=tokens_BT.device))
        logits_BTV, blocks = self._run(tokens_BT, state.blocks, shared)
        return logits_BTV, DecodingState(n_tokens, blocks)

    def step(self, tokens_B: Tensor, state: DecodingState) -> tuple[Tensor, DecodingState]:
        """Decode one token of every sequence: logits for the next one [B, vocabulary] and the next state."""
        logits_BTV, state = self.extend(tokens_B[:, None], state)
        return logits_BTV[:, 0], state

    def _run(self, tokens_BT: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        x_BTD = self.embedding(tokens_BT)
        before, after = iter(state or ()), []
        injected = x_BTD
        for block, loop in self._unrolled():
            if block is self.core[0] and loop == 0:
                injected = x_BTD
            elif block is self.core[0] and self.architecture.injection == "add":
                x_BTD = x_BTD + injected
            x_BTD, block_state = block.run(x_BTD, None if state is None else next(before), shared.in_loop(loop))
            after.append(block_state)
        head = self.embedding if self.head is None else self.head
        return F.linear(self.norm(x_BTD), head.weight), tuple(after)

    def _unrolled(self) -> Iterator[tuple[ResidualLayer, int]]:
        """Every layer in the order a token passes them, with its loop."""
        core = [(layer, loop) for loop in range(self.architecture.n_loops) for layer in self.core]
        for layer, loop in (*((layer, 0) for layer in self.prelude), *core, *((layer, 0) for layer in self.coda)):
            if isinstance(layer, ResidualLayer):
                yield layer, loop


def build(architecture: Architecture, generator: torch.Generator | None = None) -> Model:
    """The model on the CPU in float32, its weights drawn from `generator` (or torch's global one).

    Raises ValueError, before anything is allocated, when the architecture is too large.
    """
    check_size(architecture)
    with torch.device("meta"):
        model = Model(architecture)
    model.to_empty(device="cpu")
    model.initialise(generator)
    return model
