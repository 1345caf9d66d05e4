"""RWKV-4's time-mix and channel-mix against transformers, through the weight mapping, both ways."""

import pytest
import torch
from transformers import RwkvConfig
from transformers.models.rwkv.modeling_rwkv import RwkvFeedForward, RwkvSelfAttention

from nas.export.huggingface.rules import from_transformers
from nas.export.huggingface.rwkv import channel_rules, mixer_rules
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised, weights_of
from workers.model.layers import Pass, part

D, T = 32, 70


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
    weights = weights_of(theirs)
    ours = load(part(primitive, D), from_transformers(rules, weights))
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert_equal(ours(x_BTD, Pass(torch.arange(T))), theirs(x_BTD)[0])
    assert_way_back(rules, weights)
