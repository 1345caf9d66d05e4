"""What a model is trained to predict beside the next token: heads that only run in training, when targets are given.

They read the hidden vectors behind the last norm, as the model's own head does, and share its embedding and that head. In the
published models the heads of multi-token prediction have a norm of their own before the shared head; so do these.
"""

from abc import abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from workers.batch import IGNORED
from workers.model.inputs import TokenEnds
from workers.model.layers import Initialiser, Pass, make_norm
from workers.model.stack import Stack


class Objective(nn.Module):
    """Base of the further objectives."""

    @abstractmethod
    def initialise(self, init: Initialiser) -> None:
        """Fill every parameter in place."""

    @abstractmethod
    def forward(self, hidden_BTD: Tensor, tokens_BT: Tensor, targets_BT: Tensor, ends: TokenEnds, shared: Pass) -> Tensor:
        """The weighted loss, given the hidden vector of each token and the token that should follow it."""


class MultiTokenHead(nn.Module):
    """h'_t = norm(Block(W [norm(h_t); norm(e_t+1)])): from the hidden vectors of the head before to those of the next."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        d_model, kind = architecture.d_model, architecture.norm
        self.hidden_norm, self.token_norm, self.norm = (make_norm(kind, d_model) for _ in range(3))
        self.join = nn.Linear(2 * d_model, d_model, bias=False)
        self.layers = Stack(architecture.mtp_layers, d_model, kind)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, plain norms."""
        for norm in (self.hidden_norm, self.token_norm, self.norm):
            norm.initialise()
        init.weight(self.join.weight)
        self.layers.initialise(init)

    def forward(self, hidden_BTD: Tensor, next_BTD: Tensor, shared: Pass) -> Tensor:
        """Hidden vectors and the embeddings of the tokens to come, both [B, T, D]."""
        joined = self.join(torch.cat([self.hidden_norm(hidden_BTD), self.token_norm(next_BTD)], dim=-1))
        out_BTD: Tensor = self.norm(self.layers.run(joined, None, shared)[0])
        return out_BTD


class MultiTokenHeads(Objective):
    """Head k = 1, 2, ... reads at t what head k - 1 made of t and the token t + k, and predicts the token after that."""

    def __init__(self, architecture: Architecture, config: MultiTokenPrediction) -> None:
        super().__init__()
        self.weight = config.weight
        self.heads = nn.ModuleList(MultiTokenHead(architecture) for _ in range(config.n_tokens))

    def initialise(self, init: Initialiser) -> None:
        """Every head."""
        for head in self.heads:
            if isinstance(head, MultiTokenHead):
                head.initialise(init)

    def logits(self, hidden_BTD: Tensor, tokens_BT: Tensor, ends: TokenEnds, shared: Pass) -> Iterator[Tensor]:
        """Of each head whose token to come is in the sequence: [B, T - k, V] for head k."""
        for k, head in enumerate(self.heads, start=1):
            length = tokens_BT.shape[1] - k
            if length > 0:
                run = Pass(shared.positions[:length], losses=shared.losses)
                hidden_BTD = head(hidden_BTD[:, :length], ends.embedding(tokens_BT[:, k:]), run)
                yield ends.predict(hidden_BTD)

    def forward(self, hidden_BTD: Tensor, tokens_BT: Tensor, targets_BT: Tensor, ends: TokenEnds, shared: Pass) -> Tensor:
        """The mean of the heads' cross-entropies, weighted; a target that does not count for the model counts for no head."""
        losses = [hidden_BTD.new_zeros(())]
        for k, logits_BTV in enumerate(self.logits(hidden_BTD, tokens_BT, ends, shared), start=1):
            losses.append(_mean_cross_entropy(logits_BTV, targets_BT[:, k:]))
        return self.weight * torch.stack(losses).sum() / len(self.heads)


class NextLatentHead(Objective):
    """h^_t+1 = h_t + MLP(LayerNorm [h_t; e_t+1]) foretells the model's next hidden vector, which takes no gradient from it.

    Three matrices with GELU between, as published. The model's head does not learn from the divergence either.
    """

    def __init__(self, architecture: Architecture, config: NextLatent) -> None:
        super().__init__()
        d_model, d_hidden = architecture.d_model, config.d_hidden
        self.latent_weight, self.kl_weight = config.latent_weight, config.kl_weight
        self.norm = make_norm("layer", 2 * d_model)
        self.first, self.second = nn.Linear(2 * d_model, d_hidden), nn.Linear(d_hidden, d_hidden)
        self.last = nn.Linear(d_hidden, d_model)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, no biases, a plain norm."""
        self.norm.initialise()
        for linear in (self.first, self.second, self.last):
            init.weight(linear.weight)
            linear.bias.zero_()

    def foretold(self, hidden_BTD: Tensor, next_BTD: Tensor) -> Tensor:
        """The next hidden vectors, from these and the embeddings of the next tokens, all [B, T, D]."""
        x = F.gelu(self.first(self.norm(torch.cat([hidden_BTD, next_BTD], dim=-1))))
        out_BTD: Tensor = hidden_BTD + self.last(F.gelu(self.second(x)))
        return out_BTD

    def forward(self, hidden_BTD: Tensor, tokens_BT: Tensor, targets_BT: Tensor, ends: TokenEnds, shared: Pass) -> Tensor:
        """Mean distance over all tokens, and mean divergence over those whose target counts, each weighted."""
        if hidden_BTD.shape[1] < 2:
            return hidden_BTD.new_zeros(())
        foretold_BTD = self.foretold(hidden_BTD[:, :-1], ends.embedding(tokens_BT[:, 1:]))
        actual_BTD = hidden_BTD[:, 1:].detach()
        log_p_BTV = ends.predict(actual_BTD).detach().log_softmax(-1)
        log_q_BTV = F.linear(foretold_BTD, ends.table.detach()).log_softmax(-1)
        divergence_BT = (log_p_BTV.exp() * (log_p_BTV - log_q_BTV)).sum(-1)
        distance = F.smooth_l1_loss(foretold_BTD, actual_BTD)
        return self.latent_weight * distance + self.kl_weight * _mean(divergence_BT, targets_BT[:, 1:])


def _mean_cross_entropy(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    losses_BT = F.cross_entropy(logits_BTV.transpose(1, 2), targets_BT, ignore_index=IGNORED, reduction="none")
    return _mean(losses_BT, targets_BT)


def _mean(values_BT: Tensor, targets_BT: Tensor) -> Tensor:
    """Over the tokens whose target counts; 0 without any."""
    counts_BT = targets_BT != IGNORED
    return (values_BT * counts_BT).sum() / counts_BT.sum().clamp(min=1)


def make_objectives(architecture: Architecture) -> tuple[Objective, ...]:
    """The architecture's further objectives, their parameters still without values."""
    tokens = () if architecture.mtp is None else (MultiTokenHeads(architecture, architecture.mtp),)
    latent = () if architecture.next_latent is None else (NextLatentHead(architecture, architecture.next_latent),)
    return (*tokens, *latent)
