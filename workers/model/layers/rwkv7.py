"""Torch layer of `search_spaces.primitives.rwkv7`."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kernels.dplr import dplr
from kernels.precision import wide_dtype
from search_spaces.primitives.rwkv7 import RWKV7
from workers.model.layers.group_norm import GroupNorm
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.previous import previous

LARGEST_RATE = math.exp(-0.5)
DECAY_RANGE = (-6.0, 1.0)
"""Biases of the decay's sigmoid, from a head's first to its last key channel."""
UNIT_EPS = 1e-6


class RWKV7Layer(Part):
    """State: the matrices [B, H, head_dim, head_dim] in the accumulation dtype, then the last token [B, 1, D]."""

    undecayed: ClassVar[tuple[str, ...]] = ("share_6D",)

    def __init__(self, config: RWKV7, d_model: int) -> None:
        super().__init__()
        width, self.heads = config.width, (config.n_heads, config.head_dim)
        self.share_6D = nn.Parameter(torch.empty(6, d_model))
        self.receptance, self.key, self.value = (Linear(d_model, width, bias=False) for _ in range(3))
        self.decay = _low_rank(d_model, config.decay_rank, width, nn.Tanh(), bias=True)
        self.replace = _low_rank(d_model, config.replace_rank, width, nn.Identity(), bias=True)
        self.gate = _low_rank(d_model, config.gate_rank, width, nn.Sigmoid(), bias=False)
        self.removal_scale, self.key_scale, self.bonus = (nn.Parameter(torch.empty(width)) for _ in range(3))
        self.norm = GroupNorm(*self.heads)
        self.out_proj = Linear(width, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Memories of 2 to 700 tokens, half of what is found replaced; small bonuses, so that their gradient is not zero."""
        init.uniform(self.share_6D, 0.0, 1.0)
        for module in (self.receptance, self.key, self.value, *self.decay, *self.replace, *self.gate):
            if isinstance(module, nn.Linear):
                init.weight(module.weight)
        n_heads, size = self.heads
        biases = torch.linspace(*DECAY_RANGE, size, device=self.bonus.device).repeat(n_heads)
        self.decay[-1].get_parameter("bias").copy_(biases)
        self.replace[-1].get_parameter("bias").zero_()
        self.removal_scale.fill_(1.0)
        self.key_scale.fill_(1.0)
        init.weight(self.bonus)
        self.norm.initialise()
        init.output(self.out_proj.weight)

    def initial_state(self, batch_size: int) -> State:
        """Zeros."""
        n_heads, size = self.heads
        dtype = wide_dtype(self.bonus)
        states = self.bonus.new_zeros(batch_size, n_heads, size, size, dtype=dtype)
        return states, self.share_6D.new_zeros(batch_size, 1, self.share_6D.shape[1])

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Mix with the token before, project, move and write the states, read, norm, add the bonus, gate, project back."""
        states, last = state
        mixes = torch.lerp(x_BTD, previous(x_BTD, last), self.share_6D[:, None, None]).unbind()
        for_receptance, for_decay, for_key, for_value, for_replace, for_gate = mixes
        r, v = self._by_head(self.receptance(for_receptance)), self._by_head(self.value(for_value))
        log_decay = -LARGEST_RATE * self._by_head(self.decay(for_decay).to(states.dtype)).sigmoid()
        key, share = self.key(for_key), self.replace(for_replace).sigmoid()
        removal = F.normalize(self._by_head(key * self.removal_scale), dim=-1, eps=UNIT_EPS)
        k = self._by_head(key * (1 + (share - 1) * self.key_scale))
        out, states = dplr(r, k, v, log_decay, removal * self._by_head(share), -removal, states)
        own = (r * k * self._by_head(self.bonus)).sum(-1, keepdim=True) * v
        out = self.norm(out) + own.flatten(-2)
        return self.out_proj(out * self.gate(for_gate)), (states, x_BTD[:, -1:])

    def _by_head(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, self.heads)


def _low_rank(d_in: int, rank: int, d_out: int, activation: nn.Module, bias: bool) -> nn.Sequential:
    """A projection through a narrow middle, with an activation there."""
    return nn.Sequential(nn.Linear(d_in, rank, bias=False), activation, nn.Linear(rank, d_out, bias=bias))
