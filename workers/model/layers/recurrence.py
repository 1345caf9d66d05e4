"""Torch layer of `search_spaces.primitives.recurrence`."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.recurrence import recurrence
from kernels.rotary import rotate
from search_spaces.primitives.recurrence import Recurrence
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.decay import DECAYS
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm

UNIT_EPS = 1e-6


class _Widths(NamedTuple):
    """Width of what the input projection makes at every token; 0 where the option is off."""

    qkv: int
    gate: int
    step: int
    beta: int


class RecurrenceLayer(Part):
    """State: the matrices [B, H, key_dim, value_dim], then the convolution's tail where there is one."""

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.widths = _Widths(
            qkv=config.conv_channels,
            gate=config.inner_width if config.gate else 0,
            step=config.n_heads if config.decay == "step" else 0,
            beta=config.n_heads if config.write == "delta" else 0,
        )
        self.in_proj = Linear(d_model, sum(self.widths), bias=False)
        self.conv = CausalConv(config.conv_channels, config.conv_width, config.conv_bias) if config.conv_width else None
        self.decay = DECAYS[config.decay](config, d_model)
        self.skip_H = nn.Parameter(torch.empty(config.n_heads)) if config.skip else None
        self.norm = _out_norm(config)
        self.out_proj = Linear(config.inner_width, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, norms and skips of one; the decay knows its own start."""
        init.weight(self.in_proj.weight)
        if self.conv is not None:
            self.conv.initialise(init)
        self.decay.initialise(init)
        if self.skip_H is not None:
            self.skip_H.fill_(1.0)
        self.norm.initialise()
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """A zero matrix per head, in the accumulation dtype, and an empty tail."""
        c, weight = self.config, self.in_proj.weight
        dtype = torch.promote_types(weight.dtype, torch.float32)
        matrices = weight.new_zeros(batch_size, c.n_heads, c.key_dim, c.value_dim, dtype=dtype)
        return (matrices,) if self.conv is None else (matrices, self.conv.initial_state(batch_size))

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Project, convolve, run the recurrence, normalise and gate, project back."""
        matrices, *tail = state
        qkv, gate, step, beta = torch.split_with_sizes(self.in_proj(x_BTD), self.widths, -1)
        if self.conv is not None:
            qkv, *tail = self.conv(qkv, *tail)
            qkv = F.silu(qkv)
        q, k, v = self._queries_keys_values(qkv, shared)
        log_decay, step_BTH = self.decay(x_BTD, step)
        written = v * step_BTH[..., None].to(v.dtype) if self.config.write == "step" else v
        beta_BTH = beta.float().sigmoid() if self.config.write == "delta" else None
        out_BTHV, matrices = recurrence(q, k, written, log_decay, beta_BTH, matrices)
        if self.skip_H is not None:
            out_BTHV = out_BTHV + v * self.skip_H[:, None]
        return self.out_proj(self._gated(out_BTHV, gate)), (matrices, *tail)

    def _queries_keys_values(self, qkv: Tensor, shared: Pass) -> tuple[Tensor, Tensor, Tensor]:
        c = self.config
        q, k, v = torch.split_with_sizes(qkv, [c.n_groups * c.key_dim, c.n_groups * c.key_dim, c.inner_width], -1)
        q, k = (torch.unflatten(x, -1, (c.n_groups, c.key_dim)) for x in (q, k))
        if c.qk_norm:
            q, k = _unit(q), _unit(k)
        if c.rope:
            q, k = (rotate(x, shared.rotation(c.key_dim)) for x in (q, k))
        if c.write != "step":
            q = q * c.key_dim**-0.5
        return q, k, torch.unflatten(v, -1, (c.n_heads, c.value_dim))

    def _gated(self, out_BTHV: Tensor, gate_BTD: Tensor) -> Tensor:
        if self.config.out_norm == "gated":
            gated_BTD: Tensor = self.norm(out_BTHV.flatten(2) * F.silu(gate_BTD))
            return gated_BTD
        normed_BTD: Tensor = self.norm(out_BTHV).flatten(2)
        return normed_BTD * F.silu(gate_BTD) if self.config.gate else normed_BTD


def _out_norm(config: Recurrence) -> RMSNorm:
    if config.out_norm == "gated":
        return RMSNorm(config.inner_width, n_groups=config.n_groups)
    return RMSNorm(config.value_dim, learned=config.out_norm == "head")


def _unit(x: Tensor) -> Tensor:
    """Vectors of length 1; the small constant keeps the gradient finite at zero."""
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + UNIT_EPS)
