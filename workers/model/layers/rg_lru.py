"""Torch layer of `search_spaces.primitives.rg_lru`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.linear_scan import linear_scan
from kernels.precision import wide_dtype
from search_spaces.primitives.rg_lru import RGLRU
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear

SHARPNESS = 8.0
KEPT_RANGE = (0.9, 0.999)
"""The decay of a channel at the start, to the power 1 / 4, while its gate is fully open."""
TINY = 1e-12


class BlockLinear(nn.Module):
    """A block-diagonal map with a bias: every block of channels to itself."""

    def __init__(self, width: int, n_blocks: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_blocks, width // n_blocks, width // n_blocks))
        self.bias = nn.Parameter(torch.empty(width))

    def initialise(self, init: Initialiser) -> None:
        """Normal weights of variance 1 over the block's size, no bias."""
        self.weight.normal_(0.0, self.weight.shape[-1] ** -0.5, generator=init.generator)
        self.bias.zero_()

    def forward(self, x_BTW: Tensor) -> Tensor:
        """[B, T, width] to the same."""
        x_HXE = torch.unflatten(x_BTW.flatten(0, 1), -1, (len(self.weight), -1)).transpose(0, 1)
        return (x_HXE @ self.weight).transpose(0, 1).flatten(1).view(x_BTW.shape) + self.bias


class RGLRULayer(Part):
    """State: one number for each channel [B, width], in the accumulation dtype, then the convolution's tail."""

    def __init__(self, config: RGLRU, d_model: int) -> None:
        super().__init__()
        width = config.channels(d_model)
        self.gate_proj = Linear(d_model, width)
        self.in_proj = Linear(d_model, width)
        self.conv = CausalConv(width, config.conv_width, bias=True)
        self.input_gate = BlockLinear(width, config.n_blocks)
        self.decay_gate = BlockLinear(width, config.n_blocks)
        self.rate = nn.Parameter(torch.empty(width))
        self.out_proj = Linear(width, d_model)

    def initialise(self, init: Initialiser) -> None:
        """Squares of softplus's exponentials uniform in 0.9^2 .. 0.999^2, as in Griffin."""
        for projection in (self.gate_proj, self.in_proj):
            init.weight(projection.weight)
            projection.bias.zero_()
        self.conv.initialise(init)
        self.input_gate.initialise(init)
        self.decay_gate.initialise(init)
        kept = init.uniform(self.rate, *(x**2 for x in KEPT_RANGE))
        self.rate.copy_(torch.log(torch.expm1(-0.5 * kept.log())))
        init.output(self.out_proj.weight)
        self.out_proj.bias.zero_()

    def initial_state(self, batch_size: int) -> State:
        """Zeros."""
        dtype = wide_dtype(self.rate)
        return self.rate.new_zeros(batch_size, len(self.rate), dtype=dtype), self.conv.initial_state(batch_size)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Project, convolve, gate, run the recurrence, gate by the other branch, project back."""
        hidden, tail = state
        x, tail = self.conv(self.in_proj(x_BTD), tail)
        log_decay = -SHARPNESS * F.softplus(self.rate.to(hidden.dtype)) * self.decay_gate(x).to(hidden.dtype).sigmoid()
        written = self._input_scale(log_decay, shared.positions) * (self.input_gate(x).sigmoid() * x)
        out_BTW = linear_scan(written, log_decay.exp(), hidden)
        gate = F.gelu(self.gate_proj(x_BTD), approximate="tanh")
        return self.out_proj(out_BTW.to(x.dtype) * gate), (out_BTW[:, -1], tail)

    def _input_scale(self, log_decay_BTW: Tensor, positions: Tensor) -> Tensor:
        """sqrt(1 - a^2), which keeps the variance of the state; the first token of a sequence is written whole."""
        # the bound keeps the root's gradient finite where nothing is forgotten
        scale = (-torch.expm1(2 * log_decay_BTW)).clamp_min(TINY).sqrt()
        return torch.where((positions == 0)[..., None], 1.0, scale)
