"""Models for the tests: built from example architectures, with weights large enough that every part matters."""

import torch
from torch import Tensor

from search_spaces.architecture import Architecture, ContinuousInput
from workers.model import Model, build
from workers.model.depth import TokenChoiceCore
from workers.model.selection import Admission

LENGTH = 13


def admit_all(model: Model) -> Model:
    """The same model; every token wishes to pass every layer and every loop, as far as capacities allow."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, Admission):
                module.score.weight.zero_()
                module.score.bias.fill_(1.0)
            if isinstance(module, TokenChoiceCore):
                module.router.weight.zero_()
                module.router.bias.copy_(torch.arange(len(module.router.bias)))
    return model


def make_model(architecture: Architecture, seed: int = 0) -> Model:
    """The model with unit-scale weights, in place of the small ones training starts from."""
    generator = torch.Generator().manual_seed(seed)
    model = build(architecture, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5, generator=generator)
            else:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def make_tokens(architecture: Architecture, length: int = LENGTH, batch_size: int = 2) -> Tensor:
    """Random tokens [B, T], or measurements [B, T, C]; always the same."""
    generator = torch.Generator().manual_seed(7)
    if isinstance(architecture.input, ContinuousInput):
        return torch.randn(batch_size, length, architecture.input.n_channels, generator=generator)
    return torch.randint(architecture.input.vocab_size, (batch_size, length), generator=generator)
