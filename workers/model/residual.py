"""One residual layer: x += fuse(mixers(norm(x))), then x += channel(norm(x)).

Parallel branches are summed, or averaged after an RMSNorm each (Hymba, arXiv 2411.13676).
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from search_spaces.architecture import Layer
from workers.model.layers import Block, Initialiser, Part, Pass, RMSNorm, State, part


class ResidualLayer(Block):
    """The torch form of `search_spaces.architecture.Layer`. State: those of its parts, in the order a token passes them."""

    def __init__(self, layer: Layer, d_model: int) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(part(mixer, d_model) for mixer in layer.mixers)
        self.mixer_norm = RMSNorm(d_model) if layer.mixers else None
        averaged = layer.mixers if layer.fusion == "norm_mean" else ()
        self.branch_norms = nn.ModuleList(RMSNorm(d_model) for _ in averaged)
        self.channel = part(layer.channel, d_model) if layer.channel else None
        self.channel_norm = RMSNorm(d_model) if layer.channel else None

    def initialise(self, init: Initialiser) -> None:
        """Norms of one; every part knows its own start."""
        for module in (*self.children(), *self.branch_norms):
            if isinstance(module, RMSNorm):
                module.initialise()
        for layer in self._parts():
            layer.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every part."""
        return tuple(layer.initial_state(batch_size) for layer in self._parts())

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The residual stream [B, T, D] after this layer."""
        before, after = iter(state or ()), []

        def apply(layer: Part, normed_BTD: Tensor) -> Tensor:
            out_BTD, part_state = layer.run(normed_BTD, None if state is None else next(before), shared)
            after.append(part_state)
            return out_BTD

        if self.mixer_norm is not None:
            normed = self.mixer_norm(x)
            x = x + self._fused([apply(mixer, normed) for mixer in _parts(self.mixers)])
        if self.channel is not None and self.channel_norm is not None:
            x = x + apply(self.channel, self.channel_norm(x))
        return x, tuple(after)

    def _fused(self, branches: list[Tensor]) -> Tensor:
        if self.branch_norms:
            branches = [norm(branch) for norm, branch in zip(self.branch_norms, branches, strict=True)]
            return torch.stack(branches).mean(0)
        return branches[0] if len(branches) == 1 else torch.stack(branches).sum(0)

    def _parts(self) -> Iterator[Part]:
        return _parts((*self.mixers, self.channel))


def _parts(modules: Iterable[nn.Module | None]) -> Iterator[Part]:
    """Those that are parts; a module list has forgotten it."""
    return (module for module in modules if isinstance(module, Part))
