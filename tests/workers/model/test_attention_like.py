"""What is special to MLA's cache, segment memory, encoder mixers and memory slots."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from transformers import FNetConfig
from transformers.models.fnet.modeling_fnet import FNetBasicFourierTransform

from search_spaces.primitives.attention import Attention
from search_spaces.primitives.bidirectional_attention import BidirectionalAttention
from search_spaces.primitives.fnet import FNet
from search_spaces.primitives.linformer import Linformer
from search_spaces.primitives.memory_slots import MemorySlots
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.segment_attention import SegmentAttention
from tests.search_spaces.examples import architecture_of
from tests.workers.model.models import make_model, make_tokens
from workers.model.layers import Pass, part

D = 16
MLA_SIZES: dict[str, Any] = {"n_heads": 4, "kv_rank": 12, "nope_dim": 8, "rope_dim": 4, "value_dim": 6}


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


def randomised(layer):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    return layer


def make_input(length):
    return torch.randn(2, length, D, generator=torch.Generator().manual_seed(1))


def find_tensor(state):
    """The only tensor of a nested state."""
    (tensor,) = tree_leaves(state)
    return tensor


def test_no_gradient_passes_through_the_segment_memory():
    layer = randomised(part(SegmentAttention(n_heads=2, head_dim=8, segment=5, memory=7), D))
    x_BTD = make_input(15).requires_grad_()
    layer(x_BTD, Pass(torch.arange(15)))[:, 10:].sum().backward()
    assert not x_BTD.grad[:, :10].any()
    assert x_BTD.grad[:, 10:].abs().sum(-1).all()
    changed = x_BTD.detach().clone()
    changed[:, 3] += 1.0
    before, after = layer(x_BTD, Pass(torch.arange(15))), layer(changed, Pass(torch.arange(15)))
    seen = (before != after).any(-1).any(0)
    assert seen.tolist() == [False] * 3 + [True] * 12  # by its own segment and by the two whose memory of 7 holds it


@pytest.mark.parametrize("options", [{}, {"rope": False}, {"qk_norm": True}])
def test_last_token_sees_what_it_sees_in_causal_attention(options):
    sizes = {"n_heads": 4, "n_kv_heads": 2, "head_dim": 6} | options
    bidirectional, causal = randomised(part(BidirectionalAttention(**sizes), D)), part(Attention(**sizes), D)
    causal.load_state_dict(bidirectional.state_dict())
    x_BTD = make_input(20)
    found, expected = (layer(x_BTD, Pass(torch.arange(20))) for layer in (bidirectional, causal))
    assert torch.allclose(found[:, -1], expected[:, -1], atol=1e-5)
    assert not torch.allclose(found[:, :-1], expected[:, :-1], atol=1e-2)


@pytest.mark.parametrize("length", [9, 15])
def test_linformer_is_the_published_formula(length):
    layer = randomised(part(Linformer(n_heads=3, head_dim=5, rank=4, max_length=15), D)).double()
    x_BTD = make_input(length).double()
    e, f = layer.key_mix_KT[:, :length], layer.value_mix_KT[:, :length]
    w_q, w_k, w_v = layer.in_proj.weight.view(3, 3, 5, D)
    heads = []
    for head in range(3):
        q, k, v = (x_BTD @ w[head].T for w in (w_q, w_k, w_v))
        heads.append(nn.functional.softmax(q @ (e @ k).mT / 5**0.5, dim=-1) @ (f @ v))
    expected = torch.cat(heads, dim=-1) @ layer.out_proj.weight.T
    assert torch.allclose(layer(x_BTD, Pass(torch.arange(length))), expected, atol=1e-12)


def test_linformer_refuses_a_longer_sequence():
    layer = part(Linformer(n_heads=3, head_dim=5, rank=4, max_length=15), D)
    with pytest.raises(ValueError, match="16 tokens is longer than linformer's max_length 15"):
        layer(make_input(16), Pass(torch.arange(16)))


@pytest.mark.parametrize("length", [1, 12, 33])
def test_fnet_equals_transformers(length):
    theirs, x_BTD = FNetBasicFourierTransform(FNetConfig(hidden_size=D)), make_input(length)
    expected, shared = theirs(x_BTD)[0], Pass(torch.arange(length))
    assert torch.allclose(part(FNet(), D)(x_BTD, shared), expected, atol=1e-5, rtol=1e-5)
    scaled = part(FNet(orthonormal=True), D)(x_BTD, shared)
    assert torch.allclose(scaled * (length * D) ** 0.5, expected, atol=1e-4, rtol=1e-5)
    half = part(FNet(orthonormal=True), D)(x_BTD.bfloat16(), shared)
    assert half.dtype == torch.bfloat16
    assert torch.allclose(half.float(), scaled, atol=0.1)


def test_memory_adds_up_in_full_precision():
    layer = randomised(part(MemorySlots(n_slots=4, slot_width=8, allocation=True), D)).bfloat16()
    x_BTD = make_input(3).bfloat16()
    out_BTD, state = layer.extend(x_BTD, layer.initial_state(2), Pass(torch.arange(3)))
    assert out_BTD.dtype == torch.bfloat16
    assert {tensor.dtype for tensor in state} == {torch.float32}
