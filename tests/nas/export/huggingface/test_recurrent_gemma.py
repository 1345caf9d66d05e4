"""RG-LRU against transformers' RecurrentGemmaRecurrentBlock, through the weight mapping, both ways."""

from typing import Any

import pytest
import torch
from transformers import RecurrentGemmaConfig
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaRecurrentBlock

from nas.export.huggingface.recurrent_gemma import mixer_rules
from nas.export.huggingface.rules import from_transformers, to_transformers
from search_spaces.primitives.rg_lru import RGLRU
from workers.model.layers import Pass, part

D, T = 32, 70


def block(config: RGLRU) -> Any:
    """With random weights; rates such that some channels forget at once and others almost never."""
    theirs = RecurrentGemmaRecurrentBlock(
        RecurrentGemmaConfig(
            hidden_size=D,
            lru_width=config.channels(D),
            num_attention_heads=config.n_blocks,
            conv1d_width=config.conv_width,
            num_hidden_layers=1,
        ),
        layer_idx=0,
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        theirs.rg_lru.recurrent_param.copy_(torch.linspace(-12.0, 3.0, config.channels(D)))
    # in float64, since theirs loses its digits in 1 - a^2 where a channel forgets almost nothing
    return theirs.double().eval()


@pytest.mark.parametrize("config", [RGLRU(), RGLRU(width=40, n_blocks=4, conv_width=2)], ids=["plain", "blocks"])
def test_rg_lru_equals_transformers(config):
    theirs, rules = block(config), mixer_rules(config)
    weights = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    ours = part(config, D).double()
    ours.load_state_dict({name: torch.from_numpy(array) for name, array in from_transformers(rules, weights).items()})
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        expected, _ = theirs(x_BTD, torch.arange(T)[None], None, use_cache=False)
        found = ours(x_BTD, Pass(torch.arange(T)))
    assert expected.abs().mean() > 0.05
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    back = to_transformers(rules, {name: tensor.numpy() for name, tensor in ours.state_dict().items()})
    assert back.keys() == weights.keys()
    assert all(back[name].shape == weights[name].shape and (back[name] == weights[name]).all() for name in weights)
