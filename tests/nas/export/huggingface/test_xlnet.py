"""The segment memory against XLNet's relative attention, which gets one segment after another with the memory before it."""

import numpy as np
import pytest
import torch
from transformers import XLNetConfig, XLNetModel

from nas.export.huggingface.rules import from_transformers, to_transformers
from nas.export.huggingface.xlnet import segment_attention_rules
from search_spaces.primitives.segment_attention import SegmentAttention
from workers.model.layers import Pass, part

D, T = 32, 45


def make_model():
    config = XLNetConfig(vocab_size=8, d_model=D, n_layer=1, n_head=4, d_inner=8, attn_type="uni", dropout=0.0)
    model, generator = XLNetModel(config), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + (parameter.dim() == 1))
    return model.eval()


def mapped_weights(module, rules):
    """Theirs without what ours lacks."""
    wanted = {name for rule in rules for name in rule.theirs}
    return {name: weight.detach().numpy() for name, weight in module.named_parameters() if name in wanted}


def outputs_of_theirs(model, x_BTD, segment, memory):
    """The layer's outputs, norm included, segment by segment."""
    layer, outputs = model.layer[0].rel_attn, []
    for start in range(0, T, segment):
        h_TBD = x_BTD[:, start : start + segment].transpose(0, 1)
        memory_MBD = x_BTD[:, max(0, start - memory) : start].transpose(0, 1)
        n_queries, n_keys = len(h_TBD), len(h_TBD) + len(memory_MBD)
        later = torch.ones(n_queries, n_keys).triu(1 + len(memory_MBD))[:, :, None, None]
        positions = model.relative_positional_encoding(n_queries, n_keys, bsz=len(x_BTD))
        outputs.append(layer(h_TBD, None, later, None, positions, None, mems=memory_MBD)[0].transpose(0, 1))
    return torch.cat(outputs, dim=1)


@pytest.mark.parametrize(("segment", "memory"), [(9, 9), (8, 13), (10, 4), (7, 0), (45, 20)])
def test_segment_attention_equals_xlnet(segment, memory):
    model = make_model()
    config = SegmentAttention(n_heads=4, head_dim=8, segment=segment, memory=memory)
    rules = segment_attention_rules(config)
    theirs = model.layer[0].rel_attn
    weights = mapped_weights(theirs, rules)
    ours = from_transformers(rules, weights)
    back = to_transformers(rules, ours)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    layer = part(config, D)
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in ours.items()})
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        actual = theirs.layer_norm(x_BTD + layer(x_BTD, Pass(torch.arange(T))))
        assert torch.allclose(actual, outputs_of_theirs(model, x_BTD, segment, memory), atol=1e-5, rtol=1e-5)
