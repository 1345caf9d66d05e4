"""Torch layer of `search_spaces.primitives.mla`."""

import torch
from torch import Tensor

from kernels.latent_attention import latent_attention
from kernels.quantisation import fake_quantise_absmax
from kernels.rotary import rotate
from search_spaces.primitives.mla import MLA
from workers.model.layers.layer import Initialiser, Part, Pass, State
from workers.model.layers.linear import Linear
from workers.model.layers.norm import RMSNorm


class MLALayer(Part):
    """Multi-head latent attention. State: the latent and the shared key of every token, [B, L, kv_rank + rope_dim]."""

    def __init__(self, config: MLA, d_model: int) -> None:
        super().__init__()
        self.config = config
        self.q_down = Linear(d_model, config.q_rank, bias=False) if config.q_rank else None
        self.q_norm = RMSNorm(config.q_rank) if config.q_rank else None
        self.q_up = Linear(config.q_rank or d_model, config.n_heads * config.query_dim, bias=False)
        self.kv_down = Linear(d_model, config.kv_rank + config.rope_dim, bias=False)
        self.kv_norm = RMSNorm(config.kv_rank)
        self.kv_up = Linear(config.kv_rank, config.n_heads * (config.nope_dim + config.value_dim), bias=False)
        self.out_proj = Linear(config.n_heads * config.value_dim, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; norms of one."""
        for linear in (self.q_down, self.q_up, self.kv_down, self.kv_up):
            if linear is not None:
                init.weight(linear.weight)
        init.output(self.out_proj.weight)
        for norm in (self.q_norm, self.kv_norm):
            if norm is not None:
                norm.initialise()

    def initial_state(self, batch_size: int) -> State:
        """Nothing cached."""
        return (self.kv_down.weight.new_zeros(batch_size, 0, self.kv_down.out_features),)

    def extend(self, x_BTD: Tensor, state: State, shared: Pass) -> tuple[Tensor, State]:
        """Cache the tokens' latents and shared keys, and attend to the cache."""
        cache = torch.cat([state[0], self._cached(x_BTD, shared)], dim=1)
        expand_HXR = torch.unflatten(self.kv_up.seen_weight, 0, (self.config.n_heads, -1))
        out_BTHV = latent_attention(self._queries(x_BTD, shared), cache, expand_HXR)
        return self.out_proj(out_BTHV.flatten(2)), (cache,)

    def _queries(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        if self.q_down is not None and self.q_norm is not None:
            x_BTD = self.q_norm(self.q_down(x_BTD))
        q_BTHE = self.q_up(x_BTD).unflatten(-1, (self.config.n_heads, -1))
        own, rotary = q_BTHE.split([self.config.nope_dim, self.config.rope_dim], dim=-1)
        return torch.cat([own, self._rotated(rotary, shared)], dim=-1)

    def _cached(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """What decoding keeps of each token: the latent as the expansion sees it, and the shared key, in the cache's bits."""
        latent, key = self.kv_down(x_BTD).split([self.config.kv_rank, self.config.rope_dim], dim=-1)
        key = self._rotated(key[:, :, None], shared)[:, :, 0]
        latent = self.kv_up.seen_input(self.kv_norm(latent))
        return torch.cat([self._rounded(latent), self._rounded(key)], dim=-1)

    def _rounded(self, cached: Tensor) -> Tensor:
        exact = self.training or self.config.kv_bits == 16 or cached.shape[-1] == 0
        return cached if exact else fake_quantise_absmax(cached, self.config.kv_bits)

    def _rotated(self, x_BTHP: Tensor, shared: Pass) -> Tensor:
        return rotate(x_BTHP, shared.rotation(self.config.rope_dim)) if self.config.rope else x_BTHP
