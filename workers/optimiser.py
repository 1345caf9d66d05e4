"""AdamW as the recipe has it: which parameters shrink, and which learn at a rate of their own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nas.protocol import Recipe
from workers import width_transfer
from workers.learner import Learner
from workers.width_transfer import Scale

WHOLE = (Scale(start=1.0, rate=1.0),)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a parameter with one learning rate. `leaf` is the parameter or shares its memory."""

    name: str
    leaf: nn.Parameter
    whole: nn.Parameter
    scale: Scale
    shrinks: bool


class Optimiser:
    """Weight decay shrinks matrices; gains, biases, and what modules call `undecayed`, such as rates, keep their scale."""

    def __init__(self, learner: Learner, recipe: Recipe) -> None:
        self._clip_norm = recipe.clip_norm
        self._parameters = list(learner.parameters())
        self._pieces = list(_pieces(learner, recipe))
        rates = dict.fromkeys(piece.scale.rate for piece in self._pieces)
        self._rates = {rate: torch.zeros((), device=self._parameters[0].device) for rate in rates}
        self._adamw = torch.optim.AdamW(self._groups(recipe.weight_decay), betas=(recipe.beta1, recipe.beta2), fused=True)

    def step(self, learning_rate: float) -> None:
        """Clip the gradients, move every parameter, and forget the gradients."""
        for rate, tensor in self._rates.items():
            tensor.fill_(learning_rate * rate)
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm)
        for piece in self._pieces:
            if piece.leaf is not piece.whole and piece.whole.grad is not None:
                piece.leaf.grad = piece.scale.of(piece.whole.grad)
        self._adamw.step()
        for parameter in (*self._parameters, *(piece.leaf for piece in self._pieces)):
            parameter.grad = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The state, as `<parameter>/<quantity>`."""
        return {
            f"{piece.name}/{quantity}": value
            for piece in self._pieces
            for quantity, value in self._adamw.state[piece.leaf].items()
        }

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on with a saved state. Raises `KeyError` when it was another model's."""
        leaves = {piece.name: piece.leaf for piece in self._pieces}
        for key, value in tensors.items():
            name, quantity = key.rsplit("/", 1)
            self._adamw.state[leaves[name]][quantity] = value.to(leaves[name].device, copy=True)

    def _groups(self, decay: float) -> Iterator[dict[str, Any]]:
        for rate, tensor in self._rates.items():
            for shrinks in (True, False):
                leaves = [piece.leaf for piece in self._pieces if (piece.scale.rate, piece.shrinks) == (rate, shrinks)]
                # what shrinks in a step, rate times decay, is the same whatever the rate
                yield {"params": leaves, "lr": tensor, "weight_decay": decay / rate if shrinks else 0.0}


def _pieces(learner: Learner, recipe: Recipe) -> Iterator[_Piece]:
    """Every parameter, whole; or in rows where width transfer gives them different rates."""
    kept = {id(getattr(module, name)) for module in learner.modules() for name in getattr(type(module), "undecayed", ())}
    scales = {f"model.{name}": found for name, found in width_transfer.scales(learner.model, recipe.width_transfer).items()}
    for name, parameter in learner.named_parameters():
        shrinks = parameter.ndim >= 2 and id(parameter) not in kept
        found = scales.get(name, WHOLE)
        for index, scale in enumerate(found):
            leaf = parameter if len(found) == 1 else nn.Parameter(scale.of(parameter.detach()))
            part = name if len(found) == 1 else f"{name}#{index}"
            yield _Piece(part, leaf, parameter, scale, shrinks)
