"""What is special to MLA's cache, segment memory, encoder mixers and memory slots."""

import pytest
import torch
from torch.utils._pytree import tree_leaves

from search_spaces.primitives.mla import MLA
from tests.search_spaces.examples import architecture_of
from tests.workers.model.models import make_model, make_tokens

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
    for part in cache.split([12, 4], dim=-1):
        levels = part / part.abs().amax(-1, keepdim=True) * (2 ** (kv_bits - 1) - 1)
        assert torch.allclose(levels, levels.round(), atol=1e-4)


def find_tensor(state):
    """The only tensor of a nested state."""
    (tensor,) = tree_leaves(state)
    return tensor
