"""RWKV-4's time-mix and channel-mix against transformers, through the weight mapping, both ways."""

import pytest
import torch
from torch import nn
from transformers import RwkvConfig
from transformers.models.rwkv.modeling_rwkv import RwkvFeedForward, RwkvSelfAttention

from nas.export.huggingface.rules import from_transformers, to_transformers
from nas.export.huggingface.rwkv import channel_rules, mixer_rules
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel
from workers.model.layers import Pass, part

D, T = 32, 70


def randomised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def config(**fields: int) -> RwkvConfig:
    return RwkvConfig(hidden_size=D, num_hidden_layers=1, vocab_size=8, **fields)


CASES = {
    "time_mix": (RWKV4(), mixer_rules(RWKV4()), lambda: RwkvSelfAttention(config())),
    "time_mix_width": (
        RWKV4(width=20),
        mixer_rules(RWKV4(width=20)),
        lambda: RwkvSelfAttention(config(attention_hidden_size=20)),
    ),
    "channel_mix": (
        RWKVChannel(d_ff=48),
        channel_rules(RWKVChannel(d_ff=48)),
        lambda: RwkvFeedForward(config(intermediate_size=48)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rwkv_equals_transformers(case):
    primitive, rules, make = CASES[case]
    theirs = randomised(make())
    weights = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    ours = part(primitive, D)
    ours.load_state_dict({name: torch.from_numpy(array) for name, array in from_transformers(rules, weights).items()})
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected, _ = theirs(x_BTD)
        found = ours(x_BTD, Pass(torch.arange(T)))
    assert expected.abs().mean() > 0.05
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    back = to_transformers(rules, {name: tensor.numpy() for name, tensor in ours.state_dict().items()})
    assert back.keys() == weights.keys()
    assert all(back[name].shape == weights[name].shape and (back[name] == weights[name]).all() for name in weights)
