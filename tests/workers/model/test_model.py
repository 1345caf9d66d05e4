"""The model around the layers: depth, loops, branches, routing biases and initialisation."""

import pytest
import torch

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.cost import MAX_PARAMS, price
from search_spaces.primitives import CostContext
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from tests.search_spaces.examples import D_MODEL, EXAMPLES, VOCAB_SIZE
from tests.workers.model.models import make_model, make_tokens
from workers.model import build
from workers.model.layers import Pass
from workers.model.layers.moe import MoELayer

INPUT = TokenInput(vocab_size=VOCAB_SIZE)
ATTENTION = Layer(mixers=(EXAMPLES["gqa"],), channel=EXAMPLES["swiglu"])
RECURRENCE = Layer(mixers=(EXAMPLES["gated_deltanet"],), channel=EXAMPLES["moe"])
CONV = Layer(mixers=(EXAMPLES["short_conv"],))


def architecture_of(*core: Layer, **fields) -> Architecture:
    return Architecture(d_model=D_MODEL, input=INPUT, core=core, **fields)


def loop_of(n_loops, injection="none"):
    return architecture_of(RECURRENCE, ATTENTION, prelude=(CONV,), coda=(CONV,), n_loops=n_loops, injection=injection)


def decode(model, tokens):
    state, logits = model.initial_state(len(tokens)), []
    for t in range(tokens.shape[1]):
        logits_BV, state = model.step(tokens[:, t], state)
        logits.append(logits_BV)
    return torch.stack(logits, dim=1)


def test_model_loops_share_weights():
    once, thrice = build(architecture_of(RECURRENCE, ATTENTION)), build(architecture_of(RECURRENCE, ATTENTION, n_loops=3))
    assert [p.shape for p in once.parameters()] == [p.shape for p in thrice.parameters()]


def test_model_loops_equal_an_unrolled_stack_with_the_same_weights():
    looped = make_model(loop_of(3)).double()
    unrolled = make_model(architecture_of(CONV, *3 * [RECURRENCE, ATTENTION], CONV), seed=1).double()
    layers = [*looped.backbone.prelude, *3 * [*looped.backbone.core.layers], *looped.backbone.coda]
    for target, source in zip(unrolled.backbone.core.layers, layers, strict=True):
        target.load_state_dict(source.state_dict())
    unrolled.ends.load_state_dict(looped.ends.state_dict())
    unrolled.norm.load_state_dict(looped.norm.state_dict())
    tokens = make_tokens(looped.architecture)
    ours, theirs = looped(tokens), unrolled(tokens)
    assert torch.allclose(ours.logits_BTV, theirs.logits_BTV, atol=1e-12)
    assert torch.allclose(ours.auxiliary_loss, theirs.auxiliary_loss)


def test_model_injection_adds_the_cores_input_to_every_loop():
    plain, injected = make_model(loop_of(2)), make_model(loop_of(2, "add"))
    tokens = make_tokens(plain.architecture)
    assert not torch.allclose(injected(tokens).logits_BTV, plain(tokens).logits_BTV, atol=1e-3)


@pytest.mark.parametrize("injection", ["none", "add"])
def test_model_decodes_loops_with_a_state_for_each(injection):
    model = make_model(loop_of(3, injection)).double()
    tokens = make_tokens(model.architecture)
    assert torch.allclose(decode(model, tokens), model(tokens).logits_BTV, atol=1e-5)


def test_model_balance_loss_is_one_rate_per_routed_layer_when_balanced():
    layer = Layer(mixers=(EXAMPLES["gqa"],), channel=MoE(n_experts=4, top_k=4, d_expert=8, balance_rate=0.25))
    model = make_model(architecture_of(layer, layer))
    assert model(make_tokens(model.architecture)).auxiliary_loss.item() == pytest.approx(2 * 0.25)


def test_model_routing_bias_moves_against_the_load_once_per_step():
    config = MoE(n_experts=4, top_k=1, d_expert=8, balance="bias", balance_rate=0.125)
    model = make_model(architecture_of(Layer(mixers=(EXAMPLES["gqa"],), channel=config)))
    router = next(module for module in model.modules() if isinstance(module, MoELayer))
    tokens = make_tokens(model.architecture, 40)
    model.eval()(tokens)
    assert not router.loads.any()
    model.train()(tokens)
    model(tokens)
    loads = router.loads.clone()
    assert loads.sum() == 2 * tokens.numel()
    model.update_routing_biases()
    assert torch.equal(router.routing_bias, 0.125 * (loads.mean() - loads).sign())
    assert not router.loads.any()


def test_model_routing_bias_balances_the_experts():
    config = MoE(n_experts=8, top_k=2, d_expert=8, balance="bias", balance_rate=0.02)
    model = make_model(architecture_of(Layer(mixers=(EXAMPLES["gqa"],), channel=config))).train()
    router = next(module for module in model.modules() if isinstance(module, MoELayer))
    tokens = make_tokens(model.architecture, 200)
    spreads = []
    for _ in range(40):
        model(tokens)
        spreads.append((router.loads.max() - router.loads.min()).item())
        model.update_routing_biases()
    assert spreads[-1] < spreads[0] / 3


def test_model_weights_come_from_the_generator_alone():
    architecture = architecture_of(RECURRENCE, ATTENTION)
    torch.manual_seed(1)
    first = build(architecture, torch.Generator().manual_seed(5)).state_dict()
    torch.manual_seed(2)
    second = build(architecture, torch.Generator().manual_seed(5)).state_dict()
    other = build(architecture, torch.Generator().manual_seed(6)).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["ends.embedding.weight"], other["ends.embedding.weight"])


def test_model_without_generator_follows_the_global_seed():
    torch.manual_seed(3)
    first = build(architecture_of(CONV)).state_dict()["ends.embedding.weight"]
    torch.manual_seed(3)
    assert torch.equal(first, build(architecture_of(CONV)).state_dict()["ends.embedding.weight"])


def test_model_starts_with_small_outputs_and_finite_values_everywhere():
    model = build(architecture_of(*EXAMPLE_LAYERS), torch.Generator().manual_seed(0))
    assert all(tensor.isfinite().all() for tensor in [*model.parameters(), *model.buffers()])
    wide = build(Architecture(d_model=128, core=8 * (Layer(channel=SwiGLU(d_ff=512)),)), torch.Generator().manual_seed(0))
    weights = wide.state_dict()
    assert weights["backbone.core.layers.0.channel.block.in_proj.weight"].std().item() == pytest.approx(0.02, rel=0.02)
    assert weights["backbone.core.layers.0.channel.block.out_proj.weight"].std().item() == pytest.approx(
        0.02 / 16**0.5, rel=0.02
    )


EXAMPLE_LAYERS = [
    Layer(mixers=(primitive,)) if primitive.role == "mixer" else Layer(channel=primitive) for primitive in EXAMPLES.values()
]


def test_model_of_all_examples_decodes_what_it_computes_at_once():
    model = make_model(architecture_of(*(layer for layer in EXAMPLE_LAYERS if layer.causal))).double()
    tokens = make_tokens(model.architecture, 11)
    assert torch.allclose(decode(model, tokens), model(tokens).logits_BTV, atol=1e-5)


def test_model_reads_meta_tokens_before_the_first():
    meta = make_model(architecture_of(ATTENTION, n_meta=3)).double().backbone
    plain = make_model(architecture_of(ATTENTION)).double().backbone
    plain.load_state_dict({name: weight for name, weight in meta.state_dict().items() if name != "meta"})
    x = torch.randn(2, 7, D_MODEL, generator=torch.Generator().manual_seed(0)).double()
    longer = torch.cat([meta.get_parameter("meta").expand(2, -1, -1), x], dim=1)
    whole = plain.run(longer, None, Pass(torch.arange(10)))[0]
    assert torch.allclose(meta.run(x, None, Pass(torch.arange(7)))[0], whole[:, 3:], atol=1e-12)


def test_model_unties_its_head():
    untied = Architecture(d_model=D_MODEL, input=TokenInput(vocab_size=VOCAB_SIZE, tie_embeddings=False), core=(CONV,))
    model = build(untied)
    assert sum(p.numel() for p in model.parameters()) == price(untied, CostContext(context_length=1)).params
    assert model(make_tokens(untied)).logits_BTV.shape[-1] == VOCAB_SIZE


def test_build_refuses_a_model_that_is_too_large_before_allocating():
    layer = Layer(channel=SwiGLU(d_ff=262_144))
    with pytest.raises(ValueError, match=f"at most {MAX_PARAMS:,}"):
        build(Architecture(d_model=65_536, core=20 * (layer,)))
