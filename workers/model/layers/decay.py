"""The decays of the recurrence family, one module each: what multiplies a state before a token is written.

A decay takes the layer's input and the raw numbers that the layer's input projection makes for it (width
`config.decay_width`), and returns the log decay, [B, T, H] or [B, T, G, key_dim], in float32, with the step sizes
[B, T, H] where it has some.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.precision import wide, wide_dtype
from search_spaces.primitives.recurrence import Recurrence
from workers.model.layers.layer import Initialiser
from workers.model.layers.low_rank import LowRank
from workers.model.layers.steps import initialise_step_bias

LOW_RANK_POWER = 1 / 16
RATE_RANGE = (1.0, 16.0)
LOGIT_RANGE = (3.0, 6.0)

Decays = tuple[Tensor | None, Tensor | None]


class Decay(nn.Module):
    """Base of the decays: nothing is forgotten."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__()

    def initialise(self, init: Initialiser) -> None:
        """Fill parameters and buffers in place."""

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """Log decay and step sizes, None where there is none."""
        return None, None


class FixedDecay(Decay):
    """Constants: RetNet's head h keeps 1 - 2^(-5-h) of its state at every token.

    They are computed in every pass, so that neither a file of weights nor a change of number format can lose them.
    """

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.n_heads = config.n_heads

    def constants(self, heads: Tensor) -> Tensor:
        """The log decay of each head."""
        return torch.log1p(-torch.exp2(-5.0 - heads))

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """The same at every token."""
        heads = torch.arange(self.n_heads, dtype=wide_dtype(x_BTD), device=x_BTD.device)
        return self.constants(heads).expand(*x_BTD.shape[:2], -1), None


class SlopeDecay(FixedDecay):
    """Lightning attention: head h of H keeps exp(-scale 2^(-8 (h + 1) / H))."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.scale = config.decay_scale

    def constants(self, heads: Tensor) -> Tensor:
        """The slopes of ALiBi (arXiv 2108.12409), scaled and negative."""
        return -self.scale * torch.exp2(-8.0 * (heads + 1) / self.n_heads)


class LearnedDecay(Decay):
    """The sigmoid of a trained number, of each head or of each key channel, the same at every token."""

    undecayed: ClassVar[tuple[str, ...]] = ("logit",)

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.logit = nn.Parameter(torch.empty((config.n_groups, config.key_dim) if config.decays_keys else (config.n_heads,)))

    def initialise(self, init: Initialiser) -> None:
        """Memories of 20 to 400 tokens."""
        init.uniform(self.logit, *LOGIT_RANGE)

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """Log sigmoid of the trained numbers."""
        return F.logsigmoid(wide(self.logit)).expand(*x_BTD.shape[:2], *self.logit.shape), None


class SigmoidDecay(Decay):
    """mLSTM and HGRN2: a forget gate, the sigmoid of a projection, raised linearly so that it is at least the floor."""

    undecayed: ClassVar[tuple[str, ...]] = ("bias",)

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.floor = config.decay_floor
        self.bias = nn.Parameter(torch.empty((config.n_groups, config.key_dim) if config.decays_keys else (config.n_heads,)))

    def initialise(self, init: Initialiser) -> None:
        """Memories of 20 to 400 tokens."""
        init.uniform(self.bias, *LOGIT_RANGE)

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """log(floor + (1 - floor) sigmoid(logit))."""
        logits = torch.unflatten(wide(raw_BTX), -1, tuple(self.bias.shape)) + self.bias
        if self.floor == 0:
            return F.logsigmoid(logits), None
        return torch.log(self.floor + (1 - self.floor) * logits.sigmoid()), None


class StepDecay(Decay):
    """Mamba-2 and Gated DeltaNet: exp(-step * rate) with a positive step per token and a positive rate per head."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.log_rate_H = nn.Parameter(torch.empty(config.n_heads))
        self.step_bias_H = nn.Parameter(torch.empty(config.n_heads))

    def initialise(self, init: Initialiser) -> None:
        """Rates uniform in 1 .. 16, steps log-uniform in 0.001 .. 0.1 through the inverse of softplus."""
        init.uniform(self.log_rate_H, *RATE_RANGE).log_()
        initialise_step_bias(self.step_bias_H, init)

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """Softplus of the raw step, times the rate."""
        step_BTH = F.softplus(wide(raw_BTX) + self.step_bias_H)
        return -step_BTH * self.log_rate_H.exp(), step_BTH


class KeyStepDecay(Decay):
    """KDA: exp(-step * rate) with a positive step per key channel, of a low-rank projection, and a positive rate per group."""

    undecayed: ClassVar[tuple[str, ...]] = ("step_bias_GK",)

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.step = LowRank(d_model, config.decay_rank or 0, config.keys_width)
        self.log_rate_G = nn.Parameter(torch.empty(config.n_groups))
        self.step_bias_GK = nn.Parameter(torch.empty(config.n_groups, config.key_dim))

    def initialise(self, init: Initialiser) -> None:
        """As the decays per head."""
        self.step.initialise(init)
        init.uniform(self.log_rate_G, *RATE_RANGE).log_()
        initialise_step_bias(self.step_bias_GK, init)

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """Softplus of the raw step, times the rate."""
        raw_BTGK = torch.unflatten(wide(self.step(x_BTD)), -1, tuple(self.step_bias_GK.shape))
        return -F.softplus(raw_BTGK + self.step_bias_GK) * self.log_rate_G.exp()[:, None], None


class LowRankDecay(Decay):
    """GLA: sigmoid of a low-rank projection, to the power 1/16, for every key channel."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__(config, d_model)
        self.keys = (config.n_groups, config.key_dim)
        self.down = nn.Linear(d_model, config.decay_rank or 0, bias=False)
        self.up = nn.Linear(config.decay_rank or 0, config.keys_width)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, no bias: every channel starts by keeping 0.5^(1/16) = 96 %."""
        init.weight(self.down.weight)
        init.weight(self.up.weight)
        self.up.bias.zero_()

    def forward(self, x_BTD: Tensor, raw_BTX: Tensor) -> Decays:
        """Log sigmoid over 16."""
        logits_BTGK = torch.unflatten(wide(self.up(self.down(x_BTD))), -1, self.keys)
        return F.logsigmoid(logits_BTGK) * LOW_RANK_POWER, None


DECAYS: dict[str, type[Decay]] = {
    "none": Decay,
    "fixed": FixedDecay,
    "slope": SlopeDecay,
    "learned": LearnedDecay,
    "step": StepDecay,
    "sigmoid": SigmoidDecay,
    "low_rank": LowRankDecay,
}


def make_decay(config: Recurrence, d_model: int) -> Decay:
    """The decay that a config names, its parameters still without values."""
    if config.decay == "step" and config.decays_keys:
        return KeyStepDecay(config, d_model)
    return DECAYS[config.decay](config, d_model)
