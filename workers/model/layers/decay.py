"""The decays of the recurrence family, one module each: what multiplies a state before a token is written.

A decay takes the layer's input and the raw step sizes (width 0 unless the decay is "step") and returns the log decay,
[B, T, H] or [B, T, G, key_dim], in float32, with the step sizes [B, T, H] where it has some.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces.primitives.recurrence import Recurrence
from workers.model.layers.layer import Initialiser

LOW_RANK_POWER = 1 / 16
STEP_RANGE = (1e-3, 1e-1)
RATE_RANGE = (1.0, 16.0)

Decays = tuple[Tensor | None, Tensor | None]


class Decay(nn.Module):
    """Base of the decays: nothing is forgotten."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__()

    def initialise(self, init: Initialiser) -> None:
        """Fill parameters and buffers in place."""

    def forward(self, x_BTD: Tensor, step_BTH: Tensor) -> Decays:
        """Log decay and step sizes, None where there is none."""
        return None, None


class FixedDecay(Decay):
    """RetNet: head h keeps 1 - 2^(-5-h) of its state at every token."""

    log_decay_H: Tensor

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.register_buffer("log_decay_H", torch.empty(config.n_heads), persistent=False)

    def initialise(self, init: Initialiser) -> None:
        """The constants."""
        heads = torch.arange(self.log_decay_H.shape[0], device=self.log_decay_H.device)
        self.log_decay_H.copy_(torch.log1p(-torch.exp2(-5.0 - heads)))

    def forward(self, x_BTD: Tensor, step_BTH: Tensor) -> Decays:
        """The same at every token."""
        return self.log_decay_H.expand(*x_BTD.shape[:2], -1), None


class StepDecay(Decay):
    """Mamba-2 and Gated DeltaNet: exp(-step * rate) with a positive step per token and a positive rate per head."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.log_rate_H = nn.Parameter(torch.empty(config.n_heads))
        self.step_bias_H = nn.Parameter(torch.empty(config.n_heads))

    def initialise(self, init: Initialiser) -> None:
        """Rates uniform in 1 .. 16, steps log-uniform in 0.001 .. 0.1 through the inverse of softplus."""
        init.uniform(self.log_rate_H, *RATE_RANGE).log_()
        step_H = init.uniform(self.step_bias_H, *map(math.log, STEP_RANGE)).exp()
        self.step_bias_H.copy_(step_H + torch.log(-torch.expm1(-step_H)))

    def forward(self, x_BTD: Tensor, step_BTH: Tensor) -> Decays:
        """Softplus of the raw step, times the rate."""
        step_BTH = F.softplus(step_BTH.float() + self.step_bias_H)
        return -step_BTH * self.log_rate_H.exp(), step_BTH


class LowRankDecay(Decay):
    """GLA: sigmoid of a low-rank projection, to the power 1/16, for every key channel."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.keys = (config.n_groups, config.key_dim)
        self.down = nn.Linear(d_model, config.decay_rank or 0, bias=False)
        self.up = nn.Linear(config.decay_rank or 0, config.n_groups * config.key_dim)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, no bias: every channel starts by keeping 0.5^(1/16) = 96 %."""
        init.weight(self.down.weight)
        init.weight(self.up.weight)
        self.up.bias.zero_()

    def forward(self, x_BTD: Tensor, step_BTH: Tensor) -> Decays:
        """Log sigmoid over 16."""
        logits_BTGK = torch.unflatten(self.up(self.down(x_BTD)).float(), -1, self.keys)
        return F.logsigmoid(logits_BTGK) * LOW_RANK_POWER, None


DECAYS: dict[str, type[Decay]] = {"none": Decay, "fixed": FixedDecay, "step": StepDecay, "low_rank": LowRankDecay}
