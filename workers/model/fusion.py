"""Parallel mixers of one layer and how they join: sum, mean of norms, gates, or a router over mixers.

Hymba's mean after a norm each (arXiv 2411.13676); sigmoid gates per branch and channel; Mixture of Architectures: a router's
softmax weighs the branches, or its largest entry picks one for each token, and the others do not see that token at all.
"""

import torch
from torch import Tensor, nn

from kernels.routing import balance_loss, choose_by_softmax
from search_spaces.layer import Layer
from search_spaces.norm import NormKind
from workers.model.layers import Block, Initialiser, Norm, Part, Pass, State, make_norm, part
from workers.model.layers.linear import Linear
from workers.model.selection import initial_rows, run_chosen

BALANCE_WEIGHT = 0.01
"""Switch's weight of the loss that keeps the branches of a top-1 router evenly used (arXiv 2101.03961)."""


class Branches(Block):
    """Parallel branches and their sum; with `widths` each has channels of its own. State: that of each branch."""

    def __init__(self, layer: Layer, d_model: int) -> None:
        super().__init__()
        self.widths = layer.widths
        widths = layer.widths_at(d_model)
        self.branches = nn.ModuleList(part(mixer, width) for mixer, width in zip(layer.mixers, widths, strict=True))

    def initialise(self, init: Initialiser) -> None:
        """Every branch."""
        for branch in self.parts():
            branch.initialise(init)

    def initial_state(self, batch_size: int) -> State:
        """Of every branch."""
        return tuple(branch.initial_state(batch_size) for branch in self.parts())

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """The joined outputs [B, T, D]."""
        inputs = len(self.branches) * [x] if self.widths is None else torch.split_with_sizes(x, self.widths, -1)
        outs, after = [], []
        for index, (branch, x_m) in enumerate(zip(self.parts(), inputs, strict=True)):
            out, branch_state = branch.run(x_m, None if state is None else state[index], shared)
            outs.append(out)
            after.append(branch_state)
        return self.joined(outs, x), tuple(after)

    def joined(self, outs: list[Tensor], x: Tensor) -> Tensor:
        """The branches' outputs as one; x is what they read."""
        return torch.stack(outs).sum(0) if self.widths is None else torch.cat(outs, dim=-1)

    def parts(self) -> list[Part]:
        """The branches; a module list has forgotten what they are."""
        return [branch for branch in self.branches if isinstance(branch, Part)]


class MeanOfNorms(Branches):
    """The mean of the branches after a norm each."""

    def __init__(self, layer: Layer, d_model: int, norm: NormKind) -> None:
        super().__init__(layer, d_model)
        self.norms = nn.ModuleList(make_norm(norm, d_model) for _ in layer.mixers)

    def initialise(self, init: Initialiser) -> None:
        """Every branch and norm."""
        super().initialise(init)
        for norm in self._norms():
            norm.initialise()

    def joined(self, outs: list[Tensor], x: Tensor) -> Tensor:
        """All weighted alike, so that the norms' weights decide."""
        normed = [norm(out) for norm, out in zip(self._norms(), outs, strict=True)]
        return torch.stack(normed).mean(0)

    def _norms(self) -> list[Norm]:
        return [norm for norm in self.norms if isinstance(norm, Norm)]


class Gated(Branches):
    """Each branch's channels times sigmoid(W x), then their sum; with `widths` a channel has one branch and one gate."""

    def __init__(self, layer: Layer, d_model: int) -> None:
        super().__init__(layer, d_model)
        n_gates = 1 if layer.widths else len(layer.mixers)
        self.gate = Linear(d_model, n_gates * d_model, bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Gates near a half."""
        super().initialise(init)
        init.weight(self.gate.weight)

    def joined(self, outs: list[Tensor], x: Tensor) -> Tensor:
        """Gated, then summed."""
        gated = torch.cat(outs, dim=-1) * self.gate(x).sigmoid()
        return gated if self.widths is not None else torch.unflatten(gated, -1, (len(outs), -1)).sum(-2)


class SoftRouted(Branches):
    """Each token's sum of the branches, weighted by the softmax of W x."""

    def __init__(self, layer: Layer, d_model: int) -> None:
        super().__init__(layer, d_model)
        self.router = nn.Linear(d_model, len(layer.mixers), bias=False)

    def initialise(self, init: Initialiser) -> None:
        """Weights near 1 / M."""
        super().initialise(init)
        init.weight(self.router.weight)

    def joined(self, outs: list[Tensor], x: Tensor) -> Tensor:
        """Weighted, then summed."""
        weights: Tensor = self.router(x).softmax(dim=-1)
        return (torch.stack(outs, dim=-1) * weights[..., None, :]).sum(-1)


class TopRouted(SoftRouted):
    """Each token's likeliest branch, times its probability; the other branches go on as if the token were not there.

    Adds the balance loss of Switch. State: of every branch, one for each row of the batch.
    """

    def initial_state(self, batch_size: int) -> State:
        """Rows choose for themselves."""
        return tuple(initial_rows(branch, batch_size) for branch in self.parts())

    def run(self, x: Tensor, state: State | None, shared: Pass) -> tuple[Tensor, State]:
        """Every branch over the tokens that chose it; at most all of them did."""
        weights_BT1, chosen_BT1 = self._choose(x, shared)
        out, after = torch.zeros_like(x), []
        for index, branch in enumerate(self.parts()):
            rows = None if state is None else state[index]
            branch_out, rows = run_chosen(branch, x, chosen_BT1[..., 0] == index, x.shape[1], rows, shared)
            out = out + branch_out
            after.append(rows)
        return weights_BT1 * out, tuple(after)

    def _choose(self, x: Tensor, shared: Pass) -> tuple[Tensor, Tensor]:
        """The probability [B, T, 1] and index of each token's branch."""
        logits_NM = self.router(x).flatten(0, 1)
        weights_N1, chosen_N1 = choose_by_softmax(logits_NM, 1, normalise=False)
        counted_N = None if shared.valid_BT is None else shared.valid_BT.flatten()
        shared.losses.append(BALANCE_WEIGHT * balance_loss(logits_NM, chosen_N1, counted_N))
        return weights_N1.view(*x.shape[:2], 1), chosen_N1.view(*x.shape[:2], 1)


FUSIONS: dict[str, type[Branches]] = {"add": Branches, "gate": Gated, "route_soft": SoftRouted, "route_top1": TopRouted}


def fused_mixers(layer: Layer, d_model: int, norm: NormKind) -> Block:
    """The mixers of a layer as one block, their parameters still without values; a single mixer is its own."""
    if len(layer.mixers) == 1:
        return part(layer.mixers[0], d_model)
    if layer.fusion == "norm_mean":
        return MeanOfNorms(layer, d_model, norm)
    return FUSIONS[layer.fusion](layer, d_model)
