"""Torch layer of `search_spaces.primitives.segment_attention`.

Positions are relative, so distances are counted in the tokens that the layer sees.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from kernels.segment_attention import reach, relative_attention, segment_attention, sinusoids
from search_spaces.primitives.segment_attention import SegmentAttention
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear


class SegmentAttentionLayer(Part):
    """Attention with a segment memory. State: keys and values of the memory, [B, M, H, head_dim], and of the segment so far."""

    undecayed: ClassVar[tuple[str, ...]] = ("content_bias_HD", "position_bias_HD")

    def __init__(self, config: SegmentAttention, d_model: int) -> None:
        super().__init__()
        self.config = config
        inner = config.n_heads * config.head_dim
        self.q_proj = Linear(d_model, inner, bias=False)
        self.kv_proj = Linear(d_model, 2 * inner, bias=False)
        self.position_proj = Linear(d_model, inner, bias=False)
        self.content_bias_HD = nn.Parameter(torch.empty(config.n_heads, config.head_dim))
        self.position_bias_HD = nn.Parameter(torch.empty(config.n_heads, config.head_dim))
        self.out_proj = Linear(inner, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights and biases, as published."""
        for weight in (self.q_proj.weight, self.kv_proj.weight, self.position_proj.weight):
            init.weight(weight)
        for bias in (self.content_bias_HD, self.position_bias_HD):
            init.weight(bias)
        init.output(self.out_proj.weight)

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """All segments at once; no gradient reaches the tokens through the memory."""
        q_BTHD, own = self._heads(self.q_proj(x_BTD)), self._keys_values(x_BTD)
        n_distances = reach(x_BTD.shape[1], self.config.segment, self.config.memory)
        mixed_BTHD = segment_attention(
            q_BTHD + self.content_bias_HD,
            q_BTHD + self.position_bias_HD,
            own,
            # the same numbers: to be made again only where a gradient is wanted
            self._keys_values(x_BTD.detach()) if x_BTD.requires_grad else own,
            self._heads(nn.functional.linear(self._sinusoids(n_distances), self.position_proj.seen_weight)),
            self.config.segment,
            self.config.memory,
        )
        out_BTD: Tensor = self.out_proj(mixed_BTHD.flatten(2))
        return out_BTD

    def initial_state(self, batch_size: int) -> State:
        """No keys and no values."""
        empty = self.kv_proj.weight.new_zeros(batch_size, 0, self.config.n_heads, self.config.head_dim)
        return 4 * (empty,)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """One segment, or what is left of it, after another."""
        outputs, start = [], 0
        while start < x_BTD.shape[1]:
            room = self.config.segment - state[2].shape[1]
            out, state = self._extend_segment(x_BTD[:, start : start + room], state)
            outputs.append(out)
            start += room
        return torch.cat(outputs, dim=1), state

    def _extend_segment(self, x_BTD: Tensor, state: State) -> tuple[Tensor, State]:
        """Tokens that end no later than their segment."""
        memory_k, memory_v, *segment = state
        k, v = (torch.cat([seen, new], dim=1) for seen, new in zip(segment, self._keys_values(x_BTD), strict=True))
        keys, values = torch.cat([memory_k, k], dim=1), torch.cat([memory_v, v], dim=1)
        q_BTHD = self._heads(self.q_proj(x_BTD))
        out_BTHD = relative_attention(
            q_BTHD + self.content_bias_HD,
            self._absorbed(q_BTHD + self.position_bias_HD),
            keys,
            values,
            self._sinusoids(keys.shape[1])[:, None],
        )
        if k.shape[1] == self.config.segment:
            memory_k, memory_v, k, v = self._remembered(keys), self._remembered(values), k[:, :0], v[:, :0]
        return self.out_proj(out_BTHD.flatten(2)), (memory_k, memory_v, k, v)

    def _remembered(self, kept_BLHD: Tensor) -> Tensor:
        return kept_BLHD[:, max(0, kept_BLHD.shape[1] - self.config.memory) :]

    def _keys_values(self, x_BTD: Tensor) -> tuple[Tensor, Tensor]:
        k, v = self.kv_proj(x_BTD).chunk(2, dim=-1)
        return self._heads(k), self._heads(v)

    def _absorbed(self, q_BTHD: Tensor) -> Tensor:
        """q^T (W_R r) = (W_R^T q)^T r: few queries meet the sinusoids themselves, and none is projected. [B, T, H, d_model]."""
        weight_HDE = torch.unflatten(self.position_proj.seen_weight, 0, (self.config.n_heads, -1))
        return torch.einsum("bthd,hde->bthe", q_BTHD, weight_HDE)

    def _sinusoids(self, n_distances: int) -> Tensor:
        """Of distances 0, 1, ..., as the projection sees them: [S, d_model]."""
        weight = self.position_proj.weight
        table = sinusoids(torch.arange(n_distances, device=weight.device), self.position_proj.in_features)
        return self.position_proj.seen_input(table.to(weight.dtype))

    def _heads(self, x: Tensor) -> Tensor:
        return torch.unflatten(x, -1, (self.config.n_heads, -1))
