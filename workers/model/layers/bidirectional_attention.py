"""Torch layer of `search_spaces.primitives.bidirectional_attention`."""

import torch
from torch import Tensor

from kernels.bidirectional_attention import bidirectional_attention
from kernels.rotary import rotate
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from workers.model.layers.encoder import EncoderPart
from workers.model.layers.layer import Initialiser, Pass
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm


class BidirectionalAttentionLayer(EncoderPart):
    """Attention without a mask."""

    def __init__(self, config: BidirectionalAttention, d_model: int) -> None:
        super().__init__()
        self.config: BidirectionalAttention = config
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
        """Every token attends to every token."""
        projected = torch.split(self.in_proj(x_BTD), self.widths, -1)
        q, k, v = (torch.unflatten(x, -1, (-1, self.config.head_dim)) for x in projected)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if self.config.rope:
            q, k = (rotate(x, shared.rotation(self.config.head_dim)) for x in (q, k))
        out_BTD: Tensor = self.out_proj(bidirectional_attention(q, k, v).flatten(2))
        return out_BTD
