"""Torch layer of `search_spaces.primitives.rwkv6`."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.precision import wide_dtype
from kernels.wkv_matrix import wkv_matrix
from search_spaces.primitives.rwkv6 import RWKV6
from workers.model.layers.group_norm import GroupNorm
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.previous import previous

LOG_RATE_RANGE = (-6.0, -1.0)
"""Logarithms of the decay rates of a head's first and last key channel."""


class TokenMix(nn.Module):
    """Mixes of a token with the one before, one share for each channel, which may depend on the token (ddlerp).

    x + (x' - x) * (share_n + tanh(x_0 A_n) B_n) for mix n, with x' the token before and x_0 a mix with a share of its own.
    """

    undecayed: ClassVar[tuple[str, ...]] = ("share_ND",)

    def __init__(self, d_model: int, n_mixes: int, rank: int | None) -> None:
        super().__init__()
        self.share_ND = nn.Parameter(torch.empty(n_mixes, d_model))
        self.first_share_D = nn.Parameter(torch.empty(d_model)) if rank else None
        self.down = nn.Linear(d_model, n_mixes * rank, bias=False) if rank else None
        self.up_NRD = nn.Parameter(torch.empty(n_mixes, rank, d_model)) if rank else None

    def initialise(self, init: Initialiser) -> None:
        """Shares uniform in 0 .. 1, normal weights."""
        init.uniform(self.share_ND, 0.0, 1.0)
        if self.first_share_D is not None and self.down is not None and self.up_NRD is not None:
            init.uniform(self.first_share_D, 0.0, 1.0)
            init.weight(self.down.weight)
            init.weight(self.up_NRD)

    def forward(self, x_BTD: Tensor, before_BTD: Tensor) -> Tensor:
        """The mixes, [N, B, T, D]."""
        share = self.share_ND[:, None, None]
        if self.first_share_D is not None and self.down is not None and self.up_NRD is not None:
            low = torch.tanh(self.down(torch.lerp(x_BTD, before_BTD, self.first_share_D)))
            low_NXR = torch.unflatten(low.flatten(0, 1), -1, (len(share), -1)).transpose(0, 1)
            share = share + torch.unflatten(low_NXR @ self.up_NRD, 1, x_BTD.shape[:2])
        return torch.lerp(x_BTD, before_BTD, share)


class RWKV6Layer(Part):
    """State: the matrices [B, H, head_dim, head_dim] in the accumulation dtype, then the last token [B, 1, D]."""

    def __init__(self, config: RWKV6, d_model: int) -> None:
        super().__init__()
        width, self.heads = config.width, (config.n_heads, config.head_dim)
        self.mix = TokenMix(d_model, config.n_mixes, config.shift_rank)
        self.receptance, self.key, self.value, self.gate = (Linear(d_model, width, bias=False) for _ in range(4))
        rank = config.decay_rank
        self.decay_down = nn.Linear(d_model, rank, bias=False) if rank else None
        self.decay_up = nn.Linear(rank, width, bias=False) if rank else None
        self.log_rate = nn.Parameter(torch.empty(width))
        self.bonus = nn.Parameter(torch.empty(width))
        self.norm = GroupNorm(*self.heads)
        self.out_proj = Linear(width, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Memories of 3 to 400 tokens; bonuses uniform in 0 .. 1."""
        self.mix.initialise(init)
        for projection in (self.receptance, self.key, self.value, self.gate, self.decay_down, self.decay_up):
            if projection is not None:
                init.weight(projection.weight)
        n_heads, size = self.heads
        self.log_rate.copy_(torch.linspace(*LOG_RATE_RANGE, size, device=self.log_rate.device).repeat(n_heads))
        init.uniform(self.bonus, 0.0, 1.0)
        self.norm.initialise()
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """Zeros."""
        n_heads, size = self.heads
        dtype = wide_dtype(self.log_rate)
        states = self.log_rate.new_zeros(batch_size, n_heads, size, size, dtype=dtype)
        return states, self.mix.share_ND.new_zeros(batch_size, 1, self.mix.share_ND.shape[1])

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Mix with the token before, project, read and write the states, norm, gate, project back."""
        states, last = state
        mixes = self.mix(x_BTD, previous(x_BTD, last)).unbind()
        projections = (self.receptance, self.key, self.value)
        r, k, v = (self._by_head(projection(x)) for projection, x in zip(projections, mixes[:3], strict=True))
        log_rate = self._by_head(self._log_rate(mixes).to(states.dtype))
        out, states = wkv_matrix(r, k, v, -log_rate.exp().expand_as(k), self._by_head(self.bonus), states)
        return self.out_proj(self.norm(out) * F.silu(self.gate(mixes[3]))), (states, x_BTD[:, -1:])

    def _log_rate(self, mixes: tuple[Tensor, ...]) -> Tensor:
        """Logarithm of the decay rate, [B, T, width], or [width] where it is constant."""
        if self.decay_down is None or self.decay_up is None:
            return self.log_rate
        changed: Tensor = self.decay_up(torch.tanh(self.decay_down(mixes[4])))
        return self.log_rate + changed

    def _by_head(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, self.heads)
