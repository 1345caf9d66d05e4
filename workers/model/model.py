"""Architecture to torch module: input -> backbone (meta tokens, prelude, looped core, coda) -> norm -> head.

The modules never synchronise with the host and keep static shapes, so a whole training step can be captured as a graph.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.cost import check_size
from workers.model.backbone import Backbone
from workers.model.layers import Initialiser, Pass, State
from workers.model.layers.moe import MoELayer
from workers.model.layers.norm import make_norm


@dataclass(frozen=True)
class Output:
    """What a forward pass returns."""

    logits_BTV: Tensor
    auxiliary_loss: Tensor
    """Scalar to add to the training loss: what routers, halting and further objectives add, weighted; 0 without any."""


@dataclass(frozen=True)
class DecodingState:
    """What the model keeps of its sequences between tokens."""

    n_tokens: int
    """Tokens seen so far."""
    blocks: State
    """The states of prelude, core and coda: of every layer, once for each loop."""


class Model(nn.Module):
    """One architecture with weights. Make it with `build`.

    In training mode the core runs `n_loops` times; in evaluation mode and in decoding `n_eval_loops` times.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        d_model, vocab_size = architecture.d_model, architecture.input.vocab_size
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.backbone = Backbone(architecture)
        self.norm = make_norm(architecture.norm, d_model)
        self.head = None if architecture.input.tie_embeddings else nn.Linear(d_model, vocab_size, bias=False)

    def initialise(self, generator: torch.Generator | None) -> None:
        """Draw every weight anew; without a generator from torch's global one."""
        init = Initialiser(generator, (2 * self.architecture.n_unrolled_layers) ** -0.5)
        with torch.no_grad():
            init.weight(self.embedding.weight)
            self.backbone.initialise(init)
            self.norm.initialise()
            if self.head is not None:
                init.weight(self.head.weight)

    def forward(self, tokens_BT: Tensor, targets_BT: Tensor | None = None) -> Output:
        """Logits for the token after each one, [B, T, vocabulary], from integer tokens [B, T].

        `targets_BT` are the tokens to predict; objectives beyond the next token need them, and are left out without.
        """
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
        """The state before the first token. Raises ValueError for a model that sees later tokens: it cannot decode."""
        if not self.architecture.causal:
            raise ValueError("an encoder cannot decode token by token: some of its mixers see later tokens")
        return DecodingState(0, self.backbone.initial_state(batch_size))

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
        hidden_BTD, blocks = self.backbone.run(self.embedding(tokens_BT), state, shared)
        head = self.embedding if self.head is None else self.head
        return F.linear(self.norm(hidden_BTD), head.weight), blocks


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
