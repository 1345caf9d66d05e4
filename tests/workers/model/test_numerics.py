"""Low-bit training: which products are rounded, on which side and how, and that every part decodes what it computes."""

import pytest
import torch
from torch import nn

from kernels.quantisation import fake_quantise_absmax, fake_quantise_fp8, fake_quantise_ternary, keep_largest
from search_spaces.architecture import Architecture, Layer, Numerics, TokenInput
from search_spaces.objectives import MultiTokenPrediction
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from tests.search_spaces.examples import EXAMPLES, architecture_of
from tests.workers.model.models import LENGTH, make_model, make_tokens
from workers.model.layers.linear import Linear
from workers.model.layers.moe import MoELayer
from workers.model.numerics import LowPrecision

WEIGHT = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
ROUTED = Layer(
    mixers=(Attention(n_heads=2, n_kv_heads=2, head_dim=8, output_gate=True),), channel=MoE(n_experts=3, top_k=2, d_expert=8)
)
CAUSAL = {name: primitive for name, primitive in EXAMPLES.items() if primitive.causal}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"weights": "int8"}, fake_quantise_absmax(WEIGHT, 8)),
        ({"weights": "int4"}, fake_quantise_absmax(WEIGHT, 4)),
        ({"weights": "ternary"}, fake_quantise_ternary(WEIGHT)),
        ({"weights": "fp8_e4m3"}, fake_quantise_fp8(WEIGHT, "fp8_e4m3", (0, 1))),
        ({"weights": "fp8_e5m2"}, fake_quantise_fp8(WEIGHT, "fp8_e5m2", (0, 1))),
        ({"sparsity": "2:4"}, keep_largest(WEIGHT, 2, 4)),
        ({"sparsity": "4:8"}, keep_largest(WEIGHT, 4, 8)),
        ({"sparsity": "2:4", "weights": "ternary"}, fake_quantise_ternary(keep_largest(WEIGHT, 2, 4))),
        ({}, WEIGHT),
    ],
)
def test_weights_are_masked_then_rounded(fields, expected):
    assert torch.equal(LowPrecision(Numerics(**fields)).weights(WEIGHT), expected)


@pytest.mark.parametrize(
    ("activations", "expected"),
    [
        ("int8", fake_quantise_absmax(WEIGHT, 8)),
        ("int4", fake_quantise_absmax(WEIGHT, 4)),
        ("fp8_e4m3", fake_quantise_fp8(WEIGHT, "fp8_e4m3", (1,))),
        ("fp8_e5m2", fake_quantise_fp8(WEIGHT, "fp8_e5m2", (1,))),
        ("float", WEIGHT),
    ],
)
def test_activations_are_rounded_token_by_token(activations, expected):
    assert torch.equal(LowPrecision(Numerics(weights="int8", activations=activations)).activations(WEIGHT), expected)


def test_stacked_projections_have_scales_of_their_own():
    linear = Linear(16, 6, bias=False, stacked=(2, 4))
    linear.weight = nn.Parameter(WEIGHT * torch.tensor([1.0, 1, 9, 9, 9, 9])[:, None])
    linear.quantiser = LowPrecision(Numerics(weights="ternary"))
    expected = torch.cat([fake_quantise_ternary(rows) for rows in linear.weight.split([2, 4])])
    assert torch.equal(linear.seen_weight, expected)
    assert not torch.equal(linear.seen_weight, fake_quantise_ternary(linear.weight))


def test_every_product_of_the_layers_is_rounded_and_no_other():
    model = make_model(
        Architecture(
            d_model=16, input=TokenInput(vocab_size=9, tie_embeddings=False), core=(ROUTED,), n_loops=2, injection="concat",
            numerics=Numerics(weights="int4"), mtp=MultiTokenPrediction(),
        )
    )  # fmt: skip
    rounded = {name for name, module in model.named_modules() if getattr(module, "quantiser", None) is not None}
    plain = {name for name, module in model.named_modules() if type(module) in (nn.Linear, nn.Embedding)}
    layer = ("mixers.block.in_proj", "mixers.block.out_proj", "channel.block")
    places = ("backbone.core.layers.0", "objectives.0.heads.0.layers.0")
    assert rounded == {f"{place}.{name}" for place in places for name in layer} | {"backbone.core.entry.join"}
    assert plain == {f"{place}.channel.block.router" for place in places} | {
        "ends.embedding", "ends.head", "objectives.0.heads.0.join"
    }  # fmt: skip
    unrounded = make_model(Architecture(d_model=16, core=(ROUTED,)))
    assert all(getattr(module, "quantiser", None) is None for module in unrounded.modules())


def test_expert_products_equal_dense_ones_with_the_same_weights():
    """One expert is a SwiGLU, so its rounding must be that of a SwiGLU, though its weights lie the other way round."""
    numerics = Numerics(weights="ternary", activations="int8", sparsity="2:4")
    dense, routed = (
        make_model(Architecture(d_model=16, core=(Layer(channel=channel),), numerics=numerics))
        for channel in (SwiGLU(d_ff=8), MoE(n_experts=2, top_k=2, d_expert=8))
    )
    experts = next(module for module in routed.modules() if isinstance(module, MoELayer))
    source = dense.state_dict()
    with torch.no_grad():
        experts.w_in.copy_(source["backbone.core.layers.0.channel.block.in_proj.weight"].mT.expand(2, -1, -1))
        experts.w_out.copy_(source["backbone.core.layers.0.channel.block.out_proj.weight"].mT.expand(2, -1, -1))
    kept = {name: tensor for name, tensor in source.items() if ".channel.block." not in name}
    assert routed.load_state_dict(kept, strict=False).unexpected_keys == []
    tokens = make_tokens(dense.architecture, 9)
    assert torch.allclose(routed(tokens).logits_BTV, dense(tokens).logits_BTV, atol=1e-5)


@pytest.mark.parametrize("name", CAUSAL)
def test_low_bit_layer_decodes_what_it_computes_at_once(name):
    numerics = Numerics(weights="int4", activations="int8", sparsity="2:4")
    architecture = architecture_of(EXAMPLES[name]).model_copy(update={"numerics": numerics})
    model, tokens = make_model(architecture).double(), make_tokens(architecture)
    state, logits = model.initial_state(2), []
    for t in range(LENGTH):
        logits_BV, state = model.step(tokens[:, t], state)
        logits.append(logits_BV)
    at_once = model(tokens).logits_BTV
    assert torch.allclose(torch.stack(logits, dim=1), at_once, atol=1e-5, rtol=1e-5)
    full = make_model(architecture_of(EXAMPLES[name])).double()(tokens).logits_BTV
    assert not torch.allclose(at_once, full, atol=1e-2)


def test_masked_weights_learn_and_come_back():
    linear = Linear(4, 1, bias=False)
    linear.quantiser = LowPrecision(Numerics(sparsity="2:4"))
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, 0.9, 0.1, 0.1]]))
    optimizer = torch.optim.SGD(linear.parameters(), lr=0.5)
    for _ in range(20):
        optimizer.zero_grad()
        (linear(torch.eye(4))[:, 0] - torch.tensor([0.0, 0.0, 2.0, 2.0])).square().sum().backward()
        optimizer.step()
    assert linear.seen_weight[0].count_nonzero() == 2
    assert torch.allclose(linear.seen_weight[0, 2:], torch.full((2,), 2.0), atol=0.1)
