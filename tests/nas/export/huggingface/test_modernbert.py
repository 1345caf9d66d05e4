"""Bidirectional attention against ModernBERT's, through the weight mapping and back."""

import numpy as np
import torch
from transformers import ModernBertConfig
from transformers.models.modernbert.modeling_modernbert import ModernBertAttention

from kernels.rotary import rotation
from nas.export.huggingface.modernbert import bidirectional_attention_rules
from nas.export.huggingface.rules import from_transformers, to_transformers
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from workers.model.layers import Pass, part

D, T = 32, 37


def test_bidirectional_attention_equals_modernbert():
    config = ModernBertConfig(
        hidden_size=D, num_attention_heads=4, num_hidden_layers=1, layer_types=["full_attention"], attn_implementation="eager"
    )
    theirs, generator = ModernBertAttention(config, layer_idx=0).eval(), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    weights = {name: parameter.detach().numpy() for name, parameter in theirs.named_parameters()}
    ours = from_transformers(bidirectional_attention_rules(), weights)
    back = to_transformers(bidirectional_attention_rules(), ours)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    layer = part(BidirectionalAttention(n_heads=4, n_kv_heads=4, head_dim=8), D)
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in ours.items()})
    x_BTD = torch.randn(2, T, D, generator=generator)
    tables = tuple(torch.cat([table, table], dim=-1)[None] for table in rotation(torch.arange(T), 8))
    with torch.no_grad():
        expected = theirs(x_BTD, position_embeddings=tables)[0]
        assert expected.abs().mean() > 0.05
        assert torch.allclose(layer(x_BTD, Pass(torch.arange(T))), expected, atol=1e-5, rtol=1e-5)
