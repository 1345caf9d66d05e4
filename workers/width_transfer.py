"""muP for Adam (arXiv 2203.03466, table 8): a model of any width starts and learns so that one learning rate fits all widths.

With r = base_width / fan_in, against the plain recipe:

| parameter | start | learning rate |
|---|---|---|
| matrices of the layers | sqrt(r) | r |
| the model's output: its last norm, before a head that may be the embedding | base_width / d_model | the same |
| queries, so that logits have 1 / head_dim and not 1 / sqrt(head_dim) | sqrt(base_head_dim / head_dim) | the same |
| embeddings, heads, gains, biases, taps of short convolutions | 1 | 1 |

The paper's multipliers of outputs and logits are in the weights here: Adam moves a weight by its learning rate whatever the
gradient's size, so W = m W' with m times the start and m times the rate is the same training (its lemma J.1), and what is
exported is a plain model. Weight decay times learning rate is as without, as in the paper's own package (MuAdamW).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from nas.protocol import WidthTransfer
from workers.model import Model
from workers.model.layers.attention import AttentionLayer
from workers.model.layers.bidirectional_attention import BidirectionalAttentionLayer
from workers.model.layers.linear import Linear


@dataclass(frozen=True, slots=True)
class Scale:
    """Factors for some rows of a parameter: of what it starts with, and of its learning rate."""

    start: float
    rate: float
    first_row: int = 0
    end_row: int | None = None

    def of(self, parameter: torch.Tensor) -> torch.Tensor:
        """These rows."""
        return parameter[self.first_row : self.end_row]


Scales = Mapping[str, tuple[Scale, ...]]
"""By the parameter's name within the model; their rows do not overlap. What has none keeps the plain recipe."""


def scales(model: Model, transfer: WidthTransfer | None) -> Scales:
    """The factors of a model that `nas.width_transfer` lets pass; none without a transfer."""
    return {} if transfer is None else _matrices(model, transfer) | dict(_queries(model, transfer)) | _output(model, transfer)


@torch.no_grad()
def start(model: Model, transfer: WidthTransfer | None) -> None:
    """Scale fresh weights."""
    parameters = dict(model.named_parameters())
    for name, found in scales(model, transfer).items():
        for scale in found:
            scale.of(parameters[name]).mul_(scale.start)


def _matrices(model: Model, transfer: WidthTransfer) -> dict[str, tuple[Scale, ...]]:
    return {
        f"{name}.weight": (_matrix(module, transfer),) for name, module in model.named_modules() if isinstance(module, Linear)
    }


def _matrix(linear: Linear, transfer: WidthTransfer) -> Scale:
    ratio = transfer.base_width / linear.in_features
    return Scale(start=ratio**0.5, rate=ratio)


def _output(model: Model, transfer: WidthTransfer) -> dict[str, tuple[Scale, ...]]:
    ratio = transfer.base_width / model.architecture.d_model
    return {f"norm.{name}": (Scale(start=ratio, rate=ratio),) for name, _ in model.norm.named_parameters()}


def _queries(model: Model, transfer: WidthTransfer) -> Iterator[tuple[str, tuple[Scale, ...]]]:
    for name, module in model.named_modules():
        if not isinstance(module, AttentionLayer | BidirectionalAttentionLayer):
            continue
        sharper = (transfer.base_head_dim / module.config.head_dim) ** 0.5
        if module.q_norm is not None:
            yield f"{name}.q_norm.weight", (Scale(start=sharper, rate=sharper),)
        else:
            inner, matrix = module.config.n_heads * module.config.head_dim, _matrix(module.in_proj, transfer)
            queries = Scale(matrix.start * sharper, matrix.rate * sharper, end_row=inner)
            yield f"{name}.in_proj.weight", (queries, Scale(matrix.start, matrix.rate, first_row=inner))
