"""What is special to MLA's cache, segment memory, encoder mixers and memory slots."""

import pytest
import torch
from torch.utils._pytree import tree_leaves

from search_spaces.primitives.mla import MLA
from search_spaces.primitives.segment_attention import SegmentAttention
from tests.search_spaces.examples import architecture_of
from tests.workers.model.models import make_model, make_tokens
from workers.model.layers import Pass, part

MLA_SIZES = {"n_heads": 4, "kv_rank": 12, "nope_dim": 8, "rope_dim": 4, "value_dim": 6}


@pytest.mark.parametrize("kv_bits", [8, 4, 2])
def test_mla_cache_takes_few_values_outside_training(kv_bits):
    exact, rounded = (make_model(architecture_of(MLA(**MLA_SIZES, kv_bits=bits))) for bits in (16, kv_bits))
    tokens = make_tokens(exact.architecture)
    logits, state = rounded.extend(tokens, rounded.initial_state(2))
    assert torch.allclose(logits, rounded(tokens).logits_BTV, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits, exact(tokens).logits_BTV, atol=1e-4)
    assert torch.equal(rounded.train()(tokens).logits_BTV, exact.train()(tokens).logits_BTV)
    cache = find_tensor(state.blocks)
    for cached in cache.split([12, 4], dim=-1):
        levels = cached / cached.abs().amax(-1, keepdim=True) * (2 ** (kv_bits - 1) - 1)
        assert torch.allclose(levels, levels.round(), atol=1e-4)


def find_tensor(state):
    """The only tensor of a nested state."""
    (tensor,) = tree_leaves(state)
    return tensor


def test_no_gradient_passes_through_the_segment_memory():
    layer = part(SegmentAttention(n_heads=2, head_dim=8, segment=5, memory=7), 16)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    x_BTD = torch.randn(1, 15, 16, generator=generator).requires_grad_()
    layer(x_BTD, Pass(torch.arange(15)))[:, 10:].sum().backward()
    assert not x_BTD.grad[:, :10].any()
    assert x_BTD.grad[:, 10:].abs().sum(-1).all()
    changed = x_BTD.detach().clone()
    changed[:, 3] += 1.0
    before, after = layer(x_BTD, Pass(torch.arange(15))), layer(changed, Pass(torch.arange(15)))
    seen = (before != after).any(-1)[0]
    assert seen.tolist() == [False] * 3 + [True] * 12  # by its own segment and by the two whose memory of 7 holds it
