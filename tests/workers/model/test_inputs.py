"""The ends of a model: patches of bytes by their definition and in any segmentation, the copy channel, measurements."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import gated_deltanet
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from tests.workers.model.models import make_model, make_tokens
from workers.batch import IGNORED
from workers.model import build
from workers.model.inputs import make_ends
from workers.model.layers import Pass
from workers.model.layers.moe import MoELayer

D, E, P, VOCAB_SIZE = 16, 8, 4, 30
ACROSS = (
    Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),), channel=SwiGLU(d_ff=24)),
    Layer(mixers=(gated_deltanet(D, n_heads=2, key_dim=4),)),
)
WITHIN = (Layer(mixers=(Attention(n_heads=2, n_kv_heads=2, head_dim=4),)), Layer(mixers=(ShortConv(),)))


def patched(within=WITHIN, **fields):
    source = BytePatchInput(vocab_size=VOCAB_SIZE, patch_size=P, d_byte=E, within=within, **fields)
    return make_model(Architecture(d_model=D, input=source, core=ACROSS)).double()


def passed(x):
    return Pass(torch.arange(x.shape[1]))


@pytest.mark.parametrize("length", [1, 3, 4, 5, 11, 12])
@pytest.mark.parametrize("tied", [True, False])
def test_byte_patches_equal_their_definition(length, tied):
    model = patched(tie_embeddings=tied)
    ends, tokens = model.ends, make_tokens(model.architecture, length)
    logits = model(tokens).logits_BTV
    for t in range(length):
        patch, place = divmod(t, P)
        # the layers have read a learned start and every patch that was finished before this one began
        finished = ends.embedding(tokens[:, : patch * P]).reshape(2, patch, P * E)
        stream = torch.cat([ends.start.expand(2, 1, D), finished @ ends.patch_in.weight.T], dim=1)
        z_BD = model.norm(model.backbone.run(stream, None, passed(stream))[0])[:, -1]
        context = (z_BD @ ends.patch_out.weight.T).reshape(2, P, E)[:, : place + 1]
        bytes_BTE = ends.embedding(tokens[:, patch * P : t + 1]) + context
        hidden = ends.norm(ends.within.run(bytes_BTE, None, passed(bytes_BTE))[0])[:, -1]
        table = ends.embedding.weight if tied else ends.head.weight
        assert torch.allclose(logits[:, t], hidden @ table.T, atol=1e-10)


MODEL = patched()
TOKENS = make_tokens(MODEL.architecture, 23)
AT_ONCE = MODEL(TOKENS).logits_BTV.detach()


@given(st.lists(st.integers(1, 11), min_size=1, max_size=23))
@settings(max_examples=40, deadline=None)
def test_byte_patches_decode_in_any_segments(lengths):
    state, parts = MODEL.initial_state(2), []
    for segment in _segments(lengths):
        logits, state = MODEL.extend(segment, state)
        parts.append(logits)
    decoded = torch.cat(parts, dim=1)
    assert torch.allclose(decoded, AT_ONCE[:, : decoded.shape[1]], atol=1e-10)


def _segments(lengths):
    """Consecutive stretches of the tokens, as far as these go."""
    ends = [0]
    for length in lengths:
        ends.append(min(ends[-1] + length, TOKENS.shape[1]))
    return [TOKENS[:, first:last] for first, last in pairwise(ends) if first < last]


def test_filler_bytes_count_for_no_router():
    router = MoE(n_experts=3, top_k=2, d_expert=4, balance="bias")
    model = patched(within=(Layer(mixers=(ShortConv(),), channel=router),)).train()
    layer = next(module for module in model.modules() if isinstance(module, MoELayer))
    model(make_tokens(model.architecture, 2 * P + 1))
    assert layer.loads.sum() == 2 * (2 * P + 1) * 2


def test_copy_channel_adds_the_token_behind_the_last_occurrence():
    architecture = Architecture(d_model=D, input=TokenInput(vocab_size=6, rosa=True), core=ACROSS)
    ends = make_model(architecture).ends
    read, copy = (ends.state_dict()[f"{name}.weight"] for name in ("embedding", "copied"))
    tokens = torch.tensor([[3, 1, 3, 1, 5, 3, 2]])
    stream, _ = ends.run(tokens, None, 0, passed(tokens), lambda x, *_: (x, ()))
    # after 3: nothing; 1: nothing; 3: the 1 behind it; 3 1: the 3; 5: nothing; 3: the 1 behind the later 3; 2: nothing
    copied = {2: 1, 3: 3, 5: 1}
    for t, token in enumerate(tokens[0].tolist()):
        expected = read[token] + (copy[copied[t]] if t in copied else 0)
        assert torch.allclose(stream[0, t], expected)


def test_loss_leaves_out_ignored_tokens():
    ends = make_ends(Architecture(d_model=D, input=TokenInput(vocab_size=6), core=ACROSS))
    logits, targets = torch.randn(2, 5, 6), torch.randint(6, (2, 5))
    kept = torch.rand(2, 5) < 0.6
    loss = ends.loss(logits, torch.where(kept, targets, IGNORED))
    assert torch.allclose(loss, F.cross_entropy(logits[kept], targets[kept]))


def test_measurements_are_learnt():
    """A wave, which a linear rule continues: the error falls far below the wave's variance."""
    architecture = Architecture(d_model=D, input=ContinuousInput(n_channels=2), core=ACROSS)
    model = build(architecture, torch.Generator().manual_seed(0))
    phase = 0.3 * torch.arange(41) + torch.linspace(0, 6, 8)[:, None]
    waves = torch.stack([phase.sin(), (0.5 * phase).cos()], dim=-1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = model.loss(model(waves[:, :-1]), waves[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    output = model(waves[:, :-1])
    assert torch.allclose(model.loss(output, waves[:, 1:]), (output.logits_BTV - waves[:, 1:]).square().mean())
