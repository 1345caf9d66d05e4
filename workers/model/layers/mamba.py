"""Torch layer of `search_spaces.primitives.mamba`."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.precision import wide_dtype
from kernels.selective_scan import selective_scan
from search_spaces.primitives.mamba import Mamba
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm
from workers.model.layers.steps import initialise_step_bias


class MambaLayer(Part):
    """State: that of the scan [B, inner, state_size], in the accumulation dtype, then the convolution's tail."""

    undecayed: ClassVar[tuple[str, ...]] = ("log_rate_DN",)

    def __init__(self, config: Mamba, d_model: int) -> None:
        super().__init__()
        inner, rank, size = config.expand * d_model, config.rank(d_model), config.state_size
        self.widths = [rank, size, size]
        self.in_proj = Linear(d_model, 2 * inner, bias=False)
        self.conv = CausalConv(inner, config.conv_width, bias=True)
        self.x_proj = Linear(inner, sum(self.widths), bias=False)
        self.norms = nn.ModuleList(RMSNorm(width) for width in self.widths) if config.bcdt_norm else None
        self.step_proj = nn.Linear(rank, inner)
        self.log_rate_DN = nn.Parameter(torch.empty(inner, size))
        self.skip_D = nn.Parameter(torch.empty(inner))
        self.out_proj = Linear(inner, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Rates of 1 .. N in every channel; steps log-uniform in 0.001 .. 0.1 through the inverse of softplus."""
        init.weight(self.in_proj.weight)
        self.conv.initialise(init)
        init.weight(self.x_proj.weight)
        for norm in self.norms or ():
            if isinstance(norm, RMSNorm):
                norm.initialise()
        bound = self.widths[0] ** -0.5
        init.uniform(self.step_proj.weight, -bound, bound)
        initialise_step_bias(self.step_proj.bias, init)
        self.log_rate_DN.copy_(torch.arange(1, self.widths[1] + 1, device=self.log_rate_DN.device).log())
        self.skip_D.fill_(1.0)
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """Zeros."""
        dtype = wide_dtype(self.log_rate_DN)
        states = self.log_rate_DN.new_zeros(batch_size, *self.log_rate_DN.shape, dtype=dtype)
        return states, self.conv.initial_state(batch_size)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Project, convolve, scan, gate, project back."""
        states, tail = state
        x, gate = self.in_proj(x_BTD).chunk(2, dim=-1)
        x, tail = self.conv(x, tail)
        x = F.silu(x)
        low_rank, b_BTN, c_BTN = self._selection(x)
        step = F.softplus(self.step_proj(low_rank).to(states.dtype))
        rate_DN = -self.log_rate_DN.to(states.dtype).exp()
        out, states = selective_scan(x, step, rate_DN, b_BTN, c_BTN, states)
        return self.out_proj((out + x * self.skip_D) * F.silu(gate)), (states, tail)

    def _selection(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a token decides: the steps before their up-projection, the input and the output vector."""
        parts = self.x_proj(x).split(self.widths, dim=-1)
        if self.norms is not None:
            parts = [norm(part) for norm, part in zip(self.norms, parts, strict=True)]
        low_rank, b_BTN, c_BTN = parts
        return low_rank, b_BTN, c_BTN
