"""One residual layer: x += fuse(mixers(norm(x))), then x += channel(norm(x)).

Parallel branches are summed, or averaged after an RMSNorm each (Hymba, arXiv 2411.13676).
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from search_spaces.architecture import Layer
from workers.model.layers import Initialiser, Part, RMSNorm, part

Apply = Callable[[Part, Tensor], Tensor]
"""Runs a part on [B, T, D]: the whole sequence when training, the next tokens when decoding."""


class ResidualLayer(nn.Module):
    """The torch form of `search_spaces.architecture.Layer`."""

    def __init__(self, layer: Layer, d_model: int) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(part(mixer, d_model) for mixer in layer.mixers)
        self.mixer_norm = RMSNorm(d_model) if layer.mixers else None
        averaged = layer.mixers if layer.fusion == "norm_mean" else ()
        self.branch_norms = nn.ModuleList(RMSNorm(d_model) for _ in averaged)
        self.channel = part(layer.channel, d_model) if layer.channel else None
        self.channel_norm = RMSNorm(d_model) if layer.channel else None

    def parts(self) -> Iterator[Part]:
        """The parts in the order a token passes them."""
        yield from _parts((*self.mixers, self.channel))

    def initialise(self, init: Initialiser) -> None:
        """Norms of one; every part knows its own start."""
        for module in (*self.children(), *self.branch_norms):
            if isinstance(module, RMSNorm):
                module.initialise()
        for layer in self.parts():
            layer.initialise(init)

    def forward(self, x_BTD: Tensor, apply: Apply) -> Tensor:
        """The residual stream after this layer, [B, T, D]."""
        if self.mixer_norm is not None:
            normed = self.mixer_norm(x_BTD)
            x_BTD = x_BTD + self._fused([apply(mixer, normed) for mixer in _parts(self.mixers)])
        if self.channel is not None and self.channel_norm is not None:
            x_BTD = x_BTD + apply(self.channel, self.channel_norm(x_BTD))
        return x_BTD

    def _fused(self, branches: list[Tensor]) -> Tensor:
        if self.branch_norms:
            branches = [norm(branch) for norm, branch in zip(self.branch_norms, branches, strict=True)]
            return torch.stack(branches).mean(0)
        return branches[0] if len(branches) == 1 else torch.stack(branches).sum(0)


def _parts(modules: Iterable[nn.Module | None]) -> Iterator[Part]:
    """Those that are parts; a module list has forgotten it."""
    return (module for module in modules if isinstance(module, Part))
