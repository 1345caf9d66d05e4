"""The torch layers against transformers' own, with copied weights: same inputs, same outputs to 1e-5."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Lfm2Config, MixtralConfig
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from search_spaces.primitives import Primitive
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.short_conv import ShortConv
from workers.model.layers import Part, Pass, part

D = 32
T = 45


def randomised(module: nn.Module) -> Any:
    """The module with every parameter drawn anew, in evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + (parameter.dim() == 1))
    return module.eval()


def with_weights(config: Primitive, weights: dict[str, Tensor]) -> Part:
    """Our layer with those weights, none missing."""
    layer = part(config, D)
    layer.load_state_dict(weights)
    return layer.eval()


def assert_same(ours: Part, theirs: nn.Module) -> None:
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    expected = theirs(x_BTD)
    assert expected.abs().mean() > 0.05
    assert torch.allclose(ours(x_BTD, Pass(torch.arange(T))), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("width", [3, 5])
def test_short_conv_equals_transformers(width):
    lfm2 = Lfm2Config(hidden_size=D, conv_L_cache=width, num_hidden_layers=1, layer_types=["conv"])
    theirs = randomised(Lfm2ShortConv(lfm2, layer_idx=0))
    names = ("in_proj.weight", "conv.weight", "out_proj.weight")
    assert_same(with_weights(ShortConv(width=width), {name: theirs.get_parameter(name) for name in names}), theirs)


def test_moe_equals_transformers():
    mixtral = MixtralConfig(hidden_size=D, intermediate_size=24, num_local_experts=6, num_experts_per_tok=2)
    mixtral._experts_implementation = "eager"
    theirs = randomised(MixtralSparseMoeBlock(mixtral))
    ours = with_weights(
        MoE(n_experts=6, top_k=2, d_expert=24),
        {
            "router.weight": theirs.gate.weight,
            "w_in": theirs.experts.gate_up_proj.mT,
            "w_out": theirs.experts.down_proj.mT,
            "routing_bias": torch.zeros(6),
        },
    )
    assert_same(ours, theirs)
