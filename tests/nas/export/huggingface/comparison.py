"""What the tests of the weight mappings share: random weights, and a comparison of theirs with ours, both ways."""

import numpy as np
import torch
from torch import Tensor, nn

from nas.export.huggingface.rules import Rules, from_transformers, to_transformers

Weights = dict[str, np.ndarray]


def randomised(module: nn.Module) -> nn.Module:
    """Every parameter drawn anew, norms' weights around 1, in evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + ("norm" in name and "bias" not in name))
    return module.eval()


def weights_of(module: nn.Module) -> Weights:
    """What a checkpoint of it holds."""
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def load(module: nn.Module, weights: Weights) -> nn.Module:
    """The module with these weights, none missing, in evaluation mode."""
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return module.eval()


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    """To 1e-5 of the largest value."""
    assert expected.abs().mean() > 0.05
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


def assert_way_back(rules: Rules, theirs: Weights, rounded: tuple[str, ...] = ()) -> None:
    """Theirs come back bit by bit, ours too; names that contain one of `rounded` come back to the last bits beside 1."""
    ours = from_transformers(rules, theirs)
    back = to_transformers(rules, ours)
    assert back.keys() == theirs.keys()
    for name, array in back.items():
        bound = 3e-7 if any(part in name for part in rounded) else 0
        assert array.shape == theirs[name].shape
        assert np.abs(array - theirs[name]).max() <= bound, name
    again = from_transformers(rules, back)
    assert all(np.array_equal(array, again[name]) for name, array in ours.items())
