"""LFM2's gated short convolution against transformers, through the weight mapping, both ways."""

import pytest
import torch
from transformers import Lfm2Config
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv

from nas.export.huggingface.lfm2 import conv_rules
from nas.export.huggingface.rules import from_transformers
from search_spaces.primitives.short_conv import ShortConv
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised, weights_of
from workers.model.layers import Pass, part

D, T = 32, 45


@pytest.mark.parametrize("width", [3, 5])
def test_short_conv_equals_transformers(width):
    config = Lfm2Config(hidden_size=D, conv_L_cache=width, num_hidden_layers=1, layer_types=["conv"])
    theirs, ours = randomised(Lfm2ShortConv(config, layer_idx=0)), ShortConv(width=width)
    rules, weights = conv_rules(ours), weights_of(theirs)
    layer = load(part(ours, D), from_transformers(rules, weights))
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert_equal(layer(x_BTD, Pass(torch.arange(T))), theirs(x_BTD))
    assert_way_back(rules, weights)
