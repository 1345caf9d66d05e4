"""Torch layer of `search_spaces.primitives.linformer`."""

import torch
from torch import Tensor, nn

from kernels.bidirectional_attention import bidirectional_attention
from search_spaces.primitives.linformer import Linformer
from workers.model.layers.encoder import EncoderPart
from workers.model.layers.layer import Initialiser, Pass
from workers.model.layers.linear import Linear


class LinformerLayer(EncoderPart):
    """Attention to learned mixtures of the tokens' keys and values."""

    def __init__(self, config: Linformer, d_model: int) -> None:
        super().__init__()
        self.config: Linformer = config
        inner = config.n_heads * config.head_dim
        self.in_proj = Linear(d_model, 3 * inner, bias=False)
        self.key_mix_KT = nn.Parameter(torch.empty(config.rank, config.max_length))
        self.value_mix_KT = nn.Parameter(torch.empty(config.rank, config.max_length))
        self.out_proj = Linear(inner, d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Normal weights; mixtures of the variance 1 / rank, as the theorem of the paper has them."""
        init.weight(self.in_proj.weight)
        for mix in (self.key_mix_KT, self.value_mix_KT):
            mix.normal_(0.0, self.config.rank**-0.5, generator=init.generator)
        init.output(self.out_proj.weight)

    def forward(self, x_BTD: Tensor, shared: Pass) -> Tensor:
        """Attend. Raises ValueError for a sequence longer than `max_length`."""
        T = x_BTD.shape[1]
        limit = self.config.max_length
        if limit < T:
            raise ValueError(f"a sequence of {T} tokens is longer than linformer's max_length {limit}")
        q, k, v = self.in_proj(x_BTD).chunk(3, dim=-1)
        k, v = self.key_mix_KT[:, :T] @ k, self.value_mix_KT[:, :T] @ v
        heads = (torch.unflatten(x, -1, (self.config.n_heads, -1)) for x in (q, k, v))
        out_BTD: Tensor = self.out_proj(bidirectional_attention(*heads).flatten(2))
        return out_BTD
