"""Torch layer of `search_spaces.primitives.attention`."""

import torch
from torch import Tensor

from kernels.attention import attention
from kernels.rotary import rotate
from search_spaces.primitives.attention import Attention
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm


class AttentionLayer(Part):
    """Softmax attention. State: the keys and values still visible to the next token, [B, L, G, head_dim] each."""

    def __init__(self, config: Attention, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.widths = [config.n_heads * config.head_dim, *2 * [config.n_kv_heads * config.head_dim]]
        self.in_proj = Linear(d_model, sum(self.widths), bias=False)
        self.q_norm = RMSNorm(config.head_dim) if config.qk_norm else None
        self.k_norm = RMSNorm(config.head_dim) if config.qk_norm else None
        self.out_proj = Linear(self.widths[0], d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; norms of one."""
        init.weight(self.in_proj.weight)
        init.output(self.out_proj.weight)
        for norm in (self.q_norm, self.k_norm):
            if norm is not None:
                norm.initialise()

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """Attend to every visible key of the sequence; nothing is kept."""
        q, k, v = self._queries_keys_values(x_BTD, shared)
        out_BTD: Tensor = self.out_proj(attention(q, k, v, self.config.window).flatten(2))
        return out_BTD

    def initial_state(self, batch_size: int) -> State:
        """No keys and no values."""
        empty = self.in_proj.weight.new_zeros(batch_size, 0, self.config.n_kv_heads, self.config.head_dim)
        return empty, empty

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Add the tokens' keys and values, attend, and forget what the next token cannot see."""
        q, k, v = self._queries_keys_values(x_BTD, shared)
        keys, values = torch.cat([state[0], k], dim=1), torch.cat([state[1], v], dim=1)
        out_BTHD = attention(q, keys, values, self.config.window)
        return self.out_proj(out_BTHD.flatten(2)), (self._still_visible(keys), self._still_visible(values))

    def _queries_keys_values(self, x_BTD: Tensor, shared: Pass) -> tuple[Tensor, Tensor, Tensor]:
        heads = (torch.unflatten(x, -1, (-1, self.config.head_dim)) for x in self.in_proj(x_BTD).split(self.widths, -1))
        q, k, v = heads
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.config.rope:
            q, k = (rotate(x, shared.rotation(self.config.head_dim)) for x in (q, k))
        return q, k, v

    def _still_visible(self, kept_BLGD: Tensor) -> Tensor:
        if self.config.window is None:
            return kept_BLGD
        return kept_BLGD[:, max(0, kept_BLGD.shape[1] - self.config.window + 1) :]
