"""Torch layer of `search_spaces.primitives.recurrence`: project, convolve, map, run the recurrence, normalise, gate."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.feature_maps import ELEMENTWISE, favor, random_rows
from kernels.precision import wide, wide_dtype
from kernels.recurrence import recurrence
from kernels.rotary import rotate
from kernels.stabiliser import stabilise
from search_spaces.primitives.recurrence import Recurrence
from workers.model.layers.causal_conv import CausalConv
from workers.model.layers.decay import make_decay
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.low_rank import LowRank
from workers.model.layers.norm import EPS, Norm, RMSNorm
from workers.model.layers.token_shift import TokenShift

UNIT_EPS = 1e-6
SUM_EPS = 1e-6
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"swish": F.silu, "sigmoid": torch.sigmoid}


class _Projected(NamedTuple):
    """What the input projection makes of a token; of width 0 where the option is off. `widths` has its widths."""

    qkv: Tensor
    gate: Tensor
    decay: Tensor
    write: Tensor
    """Logits of the input gate or of beta."""


class _Tokens(NamedTuple):
    """What the tokens ask, and write under which key."""

    q: Tensor
    k: Tensor
    v: Tensor
    log_decay: Tensor | None
    beta_BTH: Tensor | None
    log_weight_BTH: Tensor | None
    """Logarithm of a factor on each write that may be large; None where there is none."""


class RecurrenceLayer(Part):
    """State: the matrices [B, H, rows, columns]; then, where the option is on, the running maximum [B, H] of stabilised writes,
    the convolution's tail, and the last token of the shift.
    """

    rows_MK: Tensor

    def __init__(self, config: Recurrence, d_model: int) -> None:
        super().__init__()
        self.config = config
        full_gate = config.gate and config.gate_rank is None
        written = config.n_heads if config.write in ("exp", "delta") else 0
        self.widths = [config.conv_channels, config.inner_width if full_gate else 0, config.decay_width, written]
        self.shift = TokenShift(d_model) if config.token_shift else None
        self.in_proj = Linear(d_model, sum(self.widths), bias=False)
        self.gate = LowRank(d_model, config.gate_rank, config.inner_width) if config.gate_rank else None
        self.conv = CausalConv(config.conv_channels, config.conv_width, config.conv_bias) if config.conv_width else None
        self.decay = make_decay(config, d_model)
        self.input_bias_H = nn.Parameter(torch.empty(config.n_heads)) if config.write == "exp" else None
        if config.n_features:
            self.register_buffer("rows_MK", torch.empty(config.n_features, config.key_dim))
        self.skip_H = nn.Parameter(torch.empty(config.n_heads)) if config.skip else None
        self.norm = _out_norm(config)
        self.out_proj = Linear(config.inner_width, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights, norms and skips of one, no bias; the decay knows its own start."""
        init.weight(self.in_proj.weight)
        for module in (self.shift, self.gate, self.conv):
            if module is not None:
                module.initialise(init)
        self.decay.initialise(init)
        if self.input_bias_H is not None:
            self.input_bias_H.zero_()
        if self.config.n_features:
            self.rows_MK.copy_(random_rows(self.rows_MK, init.generator))
        if self.skip_H is not None:
            self.skip_H.fill_(1.0)
        if self.norm is not None:
            self.norm.initialise()
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """A zero matrix per head, in the accumulation dtype, nothing written and nothing before."""
        weight, (n_heads, rows, columns) = self.in_proj.weight, self.config.state_shape
        dtype = wide_dtype(weight)
        matrices = weight.new_zeros(batch_size, n_heads, rows, columns, dtype=dtype)
        maximum = (weight.new_zeros(batch_size, n_heads, dtype=dtype),) if self.config.stabilised else ()
        befores = tuple(module.initial_state(batch_size) for module in (self.conv, self.shift) if module is not None)
        return matrices, *maximum, *befores

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Project, convolve, run the recurrence, normalise and gate, project back."""
        kept, before = (state[:2], [*state[2:]]) if self.config.stabilised else (state[:1], [*state[1:]])
        if self.shift is not None:
            x_BTD, before[-1] = self.shift(x_BTD, before[-1])
        projected = _Projected(*torch.split_with_sizes(self.in_proj(x_BTD), self.widths, -1))
        qkv = projected.qkv
        if self.conv is not None:
            qkv, before[0] = self.conv(qkv, before[0])
            qkv = F.silu(qkv)
        log_decay, step_BTH = self.decay(x_BTD, projected.decay)
        tokens = self._tokens(qkv, log_decay, projected.write, shared)
        out_BTHV, kept = self._recur(tokens, step_BTH, kept)
        if self.skip_H is not None:
            out_BTHV = out_BTHV + tokens.v * self.skip_H[:, None]
        gate = projected.gate if self.gate is None else self.gate(x_BTD)
        return self.out_proj(self._normed(out_BTHV, gate)), (*kept, *before)

    def _tokens(self, qkv: Tensor, log_decay: Tensor | None, write_BTH: Tensor, shared: Pass) -> _Tokens:
        c = self.config
        v = torch.unflatten(qkv[..., -c.inner_width :], -1, (c.n_heads, c.value_dim))
        q, k = self._queries_keys(qkv[..., : -c.inner_width], log_decay, shared)
        log_weight_BTH = None
        if c.feature_map == "favor":
            (q, _), (k, log_scale_BTG) = favor(q, self.rows_MK), favor(k, self.rows_MK)
            log_weight_BTH = log_scale_BTG.repeat_interleave(c.n_heads // c.n_groups, dim=-1)
        elif c.scale_queries and c.write != "step":
            q = q * c.key_dim**-0.5
        if self.input_bias_H is not None:
            log_weight_BTH = wide(write_BTH) + self.input_bias_H
        beta_BTH = c.beta_scale * wide(write_BTH).sigmoid() if c.write == "delta" else None
        return _Tokens(q, k, F.silu(v) if c.value_silu else v, log_decay, beta_BTH, log_weight_BTH)

    def _queries_keys(self, qk: Tensor, log_decay: Tensor | None, shared: Pass) -> list[Tensor]:
        """Queries and keys [B, T, G, key_dim] before random features and scaling."""
        c = self.config
        vectors = [*torch.unflatten(qk, -1, (-1, c.n_groups, c.key_dim)).unbind(2)]
        if c.feature_map in ELEMENTWISE:
            vectors = [ELEMENTWISE[c.feature_map](x) for x in vectors]
        if c.tied_keys and log_decay is not None:
            vectors.append(-torch.expm1(log_decay).to(qk.dtype))
        if c.qk_norm:
            vectors = [_unit(x) for x in vectors]
        return [rotate(x, shared.rotation(c.key_dim)) for x in vectors] if c.rope else vectors

    def _recur(self, tokens: _Tokens, step_BTH: Tensor | None, kept: State) -> tuple[Tensor, State]:
        """Write, keep and read: the outputs [B, T, H, value_dim], and the next matrices and maximum."""
        q, k, written, log_decay, beta_BTH, log_weight_BTH = tokens
        if self.config.normaliser != "none":
            # sums may be small: their quotients have gradients that half precision cannot hold
            written = F.pad(wide(written), (0, 1), value=1.0)
        if self.config.write == "step" and step_BTH is not None:
            written = written * step_BTH[..., None].to(written.dtype)
        if log_weight_BTH is None:
            out_BTHV, matrices = recurrence(q, k, written, log_decay, beta_BTH, kept[0])
            return self._normalised(out_BTHV, None).to(tokens.v.dtype), (matrices,)
        weight_BTH, log_decay, maximum_BTH = stabilise(log_weight_BTH, log_decay, kept[1])
        written = written * weight_BTH[..., None].to(written.dtype)
        out_BTHV, matrices = recurrence(q, k, written, log_decay, beta_BTH, kept[0])
        return self._normalised(out_BTHV, maximum_BTH).to(tokens.v.dtype), (matrices, maximum_BTH[:, -1])

    def _normalised(self, out_BTHV: Tensor, maximum_BTH: Tensor | None) -> Tensor:
        """Outputs over their last column, which sums the weights of what was read."""
        if self.config.normaliser == "none":
            return out_BTHV
        sums = out_BTHV[..., -1:]
        if self.config.normaliser == "sum" or maximum_BTH is None:
            return out_BTHV[..., :-1] / sums.clamp_min(SUM_EPS)
        # a sum of one, relative to the running maximum as the state is
        return out_BTHV[..., :-1] / torch.maximum(sums.abs(), (-maximum_BTH).exp()[..., None].to(sums.dtype))

    def _normed(self, out_BTHV: Tensor, gate_BTD: Tensor) -> Tensor:
        c = self.config
        if c.out_norm in ("width", "gated", "none"):
            out_BTHV = out_BTHV.flatten(2)
        if self.norm is not None and c.out_norm != "gated":
            out_BTHV = self.norm(out_BTHV)
        out_BTD = out_BTHV if out_BTHV.dim() == 3 else out_BTHV.flatten(2)
        if c.gate:
            out_BTD = out_BTD * ACTIVATIONS[c.gate_activation](gate_BTD)
        return self.norm(out_BTD) if self.norm is not None and c.out_norm == "gated" else out_BTD


class HeadLayerNorm(Norm):
    """LayerNorm of each head, with weights of its own and no bias, as in xLSTM."""

    undecayed: ClassVar[tuple[str, ...]] = ("weight",)

    def __init__(self, n_heads: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_heads, size))

    def initialise(self) -> None:
        """Weights of one."""
        self.weight.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """[..., H, size]."""
        return F.layer_norm(x, x.shape[-1:], eps=EPS) * self.weight


def _out_norm(config: Recurrence) -> Norm | None:
    if config.out_norm == "none":
        return None
    if config.out_norm == "layer":
        return HeadLayerNorm(config.n_heads, config.value_dim)
    if config.out_norm in ("width", "gated"):
        return RMSNorm(config.inner_width, n_groups=config.n_groups if config.out_norm == "gated" else 1)
    return RMSNorm(config.value_dim, learned=config.out_norm == "head")


def _unit(x: Tensor) -> Tensor:
    """Vectors of length 1. The small constant keeps the gradient finite at zero, where float16 could not hold it."""
    x = wide(x)
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + UNIT_EPS)
