"""Objectives beyond the next token: multi-token heads against transformers' MTP layers, next-latent against its definition."""

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig
from transformers.modeling_layers import MtpLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRMSNorm, LlamaRotaryEmbedding

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.cost import price
from search_spaces.objectives import MultiTokenPrediction, NextLatent, block_of
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from tests.workers.model.models import make_model
from workers.batch import IGNORED
from workers.model.layers import Pass

D, T, VOCAB_SIZE = 32, 19, 23
LAYER = Layer(mixers=(Attention(n_heads=4, n_kv_heads=2, head_dim=8),), channel=SwiGLU(d_ff=48))
TOKENS = torch.randint(VOCAB_SIZE, (2, T), generator=torch.Generator().manual_seed(1))
TARGETS = torch.where(torch.rand(2, T, generator=torch.Generator().manual_seed(2)) < 0.3, IGNORED, TOKENS.roll(-1, 1))


def model_of(layers=(LAYER,), **fields):
    return make_model(Architecture(d_model=D, input=TokenInput(vocab_size=VOCAB_SIZE), core=layers, **fields))


def random_hidden():
    return torch.randn(2, T, D, generator=torch.Generator().manual_seed(3))


def their_head(head, index):
    """transformers' MTP layer with the weights of one of our heads; theirs reads [embedding; hidden], ours the reverse."""
    config = LlamaConfig(
        hidden_size=D, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-5,
        num_hidden_layers=2, attn_implementation="eager",
    )  # fmt: skip
    theirs, ours = MtpLayer(config, LlamaDecoderLayer, LlamaRMSNorm, index), head.state_dict()
    qkv = ours["layers.0.mixers.block.in_proj.weight"].split([32, 16, 16])
    gate_up = ours["layers.0.channel.block.in_proj.weight"].chunk(2)
    weights = {
        "hnorm.weight": ours["hidden_norm.weight"],
        "enorm.weight": ours["token_norm.weight"],
        "post_norm.weight": ours["norm.weight"],
        "eh_proj.weight": ours["join.weight"].roll(D, 1),
        "mtp_block.input_layernorm.weight": ours["layers.0.mixers.norm.weight"],
        "mtp_block.self_attn.o_proj.weight": ours["layers.0.mixers.block.out_proj.weight"],
        "mtp_block.post_attention_layernorm.weight": ours["layers.0.channel.norm.weight"],
        "mtp_block.mlp.down_proj.weight": ours["layers.0.channel.block.out_proj.weight"],
        **{f"mtp_block.self_attn.{name}_proj.weight": weight for name, weight in zip("qkv", qkv, strict=True)},
        **{f"mtp_block.mlp.{name}_proj.weight": weight for name, weight in zip(("gate", "up"), gate_up, strict=True)},
    }
    theirs.load_state_dict(weights)
    return theirs.eval(), LlamaRotaryEmbedding(config)


def test_multi_token_heads_equal_transformers():
    model = model_of(mtp=MultiTokenPrediction(n_tokens=2, weight=0.3))
    heads, hidden = model.objectives[0], random_hidden()
    expected, expected_losses, theirs_hidden = [], [], hidden
    for k, head in enumerate(heads.heads, start=1):
        theirs, rotary = their_head(head, k - 1)
        positions = torch.arange(T - k)[None]
        theirs_hidden = theirs(
            model.ends.embedding(TOKENS[:, k:]), theirs_hidden[:, : T - k], rotary(hidden, positions),
            torch.full((T - k, T - k), float("-inf")).triu(1)[None, None], positions, None,
        )  # fmt: skip
        expected.append(F.linear(theirs_hidden, model.ends.embedding.weight))
        expected_losses.append(F.cross_entropy(expected[-1].flatten(0, 1), TARGETS[:, k:].flatten(), ignore_index=IGNORED))
    actual = list(heads.logits(hidden, TOKENS, model.ends, Pass(torch.arange(T))))
    assert [logits.shape[1] for logits in actual] == [T - 1, T - 2]
    for ours, theirs in zip(actual, expected, strict=True):
        assert theirs.abs().mean() > 0.1
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-5)
    loss = heads(hidden, TOKENS, TARGETS, model.ends, Pass(torch.arange(T)))
    assert torch.allclose(loss, 0.3 * torch.stack(expected_losses).mean(), rtol=1e-5)


def test_next_latent_equals_its_definition():
    model = model_of(next_latent=NextLatent(d_hidden=24, latent_weight=0.7, kl_weight=0.2)).double()
    head, hidden = model.objectives[0], random_hidden().double().requires_grad_()
    loss = head(hidden, TOKENS, TARGETS, model.ends, Pass(torch.arange(T)))
    distances, divergences = [], []
    for b in range(2):
        for t in range(T - 1):
            h, table = hidden[b, t], model.ends.embedding.weight
            joined = F.layer_norm(torch.cat([h, table[TOKENS[b, t + 1]]]), (2 * D,), head.norm.weight, head.norm.bias, 1e-5)
            foretold = h + head.last(F.gelu(head.second(F.gelu(head.first(joined)))))
            error = (foretold - hidden[b, t + 1]).abs()
            distances.append(torch.where(error < 1, error**2 / 2, error - 0.5).mean())
            p, q = ((table @ vector).softmax(0) for vector in (hidden[b, t + 1], foretold))
            if TARGETS[b, t + 1] != IGNORED:
                divergences.append((p * (p / q).log()).sum())
    expected = 0.7 * torch.stack(distances).mean() + 0.2 * torch.stack(divergences).mean()
    assert torch.allclose(loss, expected, rtol=1e-10)


def test_next_latent_gives_its_targets_and_the_head_no_gradient():
    model = model_of(next_latent=NextLatent(d_hidden=24))
    hidden = random_hidden().requires_grad_()
    model.objectives[0](hidden, TOKENS, TARGETS, model.ends, Pass(torch.arange(T))).backward()
    assert not hidden.grad[:, -1].any()
    assert hidden.grad[:, :-1].any(-1).all()
    unread = torch.ones(VOCAB_SIZE, dtype=torch.bool).index_fill(0, TOKENS[:, 1:].flatten(), False)
    assert unread.any()
    assert not model.ends.embedding.weight.grad[unread].any()


@pytest.mark.parametrize("fields", [{"mtp": MultiTokenPrediction(n_tokens=4)}, {"next_latent": NextLatent(d_hidden=8)}])
def test_objective_trains_only(fields):
    model, context = model_of(**fields), CostContext(context_length=9)
    plain = model_of()
    output = model(TOKENS)
    assert output.auxiliary_loss == 0
    assert torch.equal(output.logits_BTV, model(TOKENS, TARGETS).logits_BTV)
    assert model(TOKENS, TARGETS).auxiliary_loss > 0
    ours, theirs = price(model.architecture, context), price(plain.architecture, context)
    assert ours.params > theirs.params
    assert (ours.active_params, ours.flops_per_token, ours.state_bytes) == (
        theirs.active_params, theirs.flops_per_token, theirs.state_bytes
    )  # fmt: skip


@pytest.mark.parametrize("fields", [{"mtp": MultiTokenPrediction(n_tokens=2)}, {"next_latent": NextLatent(d_hidden=8)}])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_objective_of_short_or_unscored_texts_is_finite(fields, length):
    model, tokens = model_of(**fields), TOKENS[:, :length]
    assert model(tokens, tokens).auxiliary_loss.isfinite()
    assert model(tokens, torch.full_like(tokens, IGNORED)).auxiliary_loss.isfinite()


def test_multi_token_heads_balance_the_routers_of_their_blocks():
    layer = Layer(mixers=LAYER.mixers, channel=MoE(n_experts=4, top_k=4, d_expert=8, balance_rate=0.25))
    with_head, without = model_of((layer,), mtp=MultiTokenPrediction(weight=1e-9)), model_of((layer,))
    assert without(TOKENS, TARGETS).auxiliary_loss.item() == pytest.approx(0.25)
    assert with_head(TOKENS, TARGETS).auxiliary_loss.item() == pytest.approx(2 * 0.25)


def test_multi_token_block_has_keys_of_its_own():
    reader = Attention(n_heads=4, n_kv_heads=2, head_dim=8, share_kv=True)
    layer = Layer(mixers=(reader,), channel=SwiGLU(d_ff=48))
    assert block_of(layer) == LAYER
    model = model_of((LAYER, layer), mtp=MultiTokenPrediction())
    assert model(TOKENS, TARGETS).auxiliary_loss.isfinite()
    assert sum(p.numel() for p in model.parameters()) == price(model.architecture, CostContext(context_length=1)).params
