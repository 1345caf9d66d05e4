"""Architecture to torch module: input -> backbone (meta tokens, prelude, looped core, coda) -> norm -> head.

The modules never synchronise with the host and keep static shapes, so a whole training step can be captured as a graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.cost import check_size
from search_spaces.inputs import BytePatchInput
from workers.model.backbone import Backbone
from workers.model.inputs import TokenEnds, make_ends
from workers.model.layers import Initialiser, Modulation, Pass, State
from workers.model.layers.moe import MoELayer
from workers.model.layers.norm import make_norm
from workers.model.numerics import set_numerics
from workers.model.objectives import Objective, make_objectives


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
    """What the model's ends keep, then the states of prelude, core and coda: of every layer, once for each loop."""


class Model(nn.Module):
    """One architecture with weights. Make it with `build`.

    In training mode the core runs `n_loops` times; in evaluation mode and in decoding `n_eval_loops` times.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.ends = make_ends(architecture)
        self.backbone = Backbone(architecture)
        self.norm = make_norm(architecture.norm, architecture.d_model)
        self.objectives = nn.ModuleList(make_objectives(architecture))
        set_numerics(self, architecture.numerics)

    def initialise(self, generator: torch.Generator | None) -> None:
        """Draw every weight anew; without a generator from torch's global one."""
        init = Initialiser(generator, (2 * self.architecture.n_unrolled_layers) ** -0.5)
        with torch.no_grad():
            self.ends.initialise(init)
            self.backbone.initialise(init)
            self.norm.initialise()
            for objective in self.objectives:
                if isinstance(objective, Objective):
                    objective.initialise(init)

    def forward(self, tokens_BT: Tensor, targets_BT: Tensor | None = None) -> Output:
        """Logits for the token after each one, [B, T, vocabulary], from integer tokens [B, T].

        Of a model of measurements both are [B, T, channels]. `targets_BT` are the tokens to predict; objectives beyond the
        next token need them, and are left out without.
        """
        shared = Pass(torch.arange(tokens_BT.shape[1], device=tokens_BT.device))
        hidden_BTD, _ = self.ends.run(tokens_BT, None, 0, shared, self._trunk)
        if targets_BT is not None and isinstance(self.ends, TokenEnds):
            for objective in self.objectives:
                shared.losses.append(objective(hidden_BTD, tokens_BT, targets_BT, self.ends, shared))
        logits_BTV, losses = self.ends.predict(hidden_BTD), shared.losses
        return Output(logits_BTV, torch.stack(losses).sum() if losses else logits_BTV.new_zeros(()))

    def hidden(self, tokens_BT: Tensor, modulations: Mapping[nn.Module, Modulation] | None = None) -> tuple[Tensor, Tensor]:
        """The vectors that the head reads, [B, T, `d_hidden`], and what the layers add to the training loss, a scalar.

        `modulations`: what a task's learner makes of every sublayer of the backbone.
        """
        shared = Pass(torch.arange(tokens_BT.shape[1], device=tokens_BT.device), modulations=modulations)
        hidden_BTD, _ = self.ends.run(tokens_BT, None, 0, shared, self._trunk)
        return hidden_BTD, torch.stack(shared.losses).sum() if shared.losses else hidden_BTD.new_zeros(())

    @property
    def d_hidden(self) -> int:
        """The width of the vectors that the head reads."""
        source = self.architecture.input
        return source.d_byte if isinstance(source, BytePatchInput) else self.architecture.d_model

    def loss(self, output: Output, targets_BT: Tensor) -> Tensor:
        """Of the predictions alone: mean cross-entropy over the targets that count, or mean squared error of measurements."""
        return self.ends.loss(output.logits_BTV, targets_BT)

    def update_routing_biases(self) -> None:
        """Once per training step: move the biases of every router that is balanced by bias."""
        for module in self.modules():
            if isinstance(module, MoELayer):
                module.update_routing_bias()

    def initial_state(self, batch_size: int) -> DecodingState:
        """The state before the first token. Raises ValueError for a model that sees later tokens: it cannot decode."""
        if not self.architecture.causal:
            raise ValueError("an encoder cannot decode token by token: some of its mixers see later tokens")
        return DecodingState(0, (self.ends.initial_state(batch_size), self.backbone.initial_state(batch_size)))

    def extend(self, tokens_BT: Tensor, state: DecodingState) -> tuple[Tensor, DecodingState]:
        """Decode T tokens that follow `state`: their logits [B, T, vocabulary] and the next state."""
        n_tokens = state.n_tokens + tokens_BT.shape[1]
        shared = Pass(torch.arange(state.n_tokens, n_tokens, device=tokens_BT.device))
        hidden_BTD, blocks = self.ends.run(tokens_BT, state.blocks, state.n_tokens, shared, self._trunk)
        return self.ends.predict(hidden_BTD), DecodingState(n_tokens, blocks)

    def step(self, tokens_B: Tensor, state: DecodingState) -> tuple[Tensor, DecodingState]:
        """Decode one token of every sequence: logits for the next one [B, vocabulary] and the next state."""
        logits_BTV, state = self.extend(tokens_B[:, None], state)
        return logits_BTV[:, 0], state

    def _trunk(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """What lies between the ends: the layers and the norm behind them."""
        hidden, state = self.backbone.run(x, state, shared)
        return self.norm(hidden), state


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
