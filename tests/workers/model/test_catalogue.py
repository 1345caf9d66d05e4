"""What every primitive's torch layer must keep, over the whole catalogue: it is what its config says it is."""

import math

import pytest
import torch
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from kernels.dispatch import force
from search_spaces.cost import price
from search_spaces.primitives import CATALOGUE, CostContext
from tests.search_spaces.examples import COMPOSITIONS, EXAMPLES, VOCAB_SIZE, architecture_of
from tests.workers.model.models import LENGTH, admit_all, make_model, make_tokens
from tests.workers.model.tracing import trace
from workers.model import Model, build
from workers.model.layers import LAYERS, Pass
from workers.model.layers.encoder import EncoderPart

ARCHITECTURES = {name: architecture_of(primitive) for name, primitive in EXAMPLES.items()} | COMPOSITIONS
ENCODERS = {name: architecture for name, architecture in ARCHITECTURES.items() if not architecture.causal}
DECODERS = {name: architecture for name, architecture in ARCHITECTURES.items() if architecture.causal}
EXACT = 1e-9
"""How far two computations of the same in float64 may be apart."""
every_example = pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
every_causal_example = pytest.mark.parametrize("architecture", DECODERS.values(), ids=DECODERS)
every_encoder_example = pytest.mark.parametrize("architecture", ENCODERS.values(), ids=ENCODERS)


def test_every_primitive_has_a_layer():
    assert set(LAYERS) == set(CATALOGUE.values())


@every_example
def test_layer_returns_logits_of_the_right_shape(architecture):
    output = make_model(architecture)(make_tokens(architecture))
    assert output.logits_BTV.shape == (2, LENGTH, architecture.input.n_outputs)
    assert output.auxiliary_loss.shape == ()


@every_causal_example
def test_layer_is_causal(architecture):
    model, tokens = make_model(architecture), make_tokens(architecture, 70)
    changed = tokens.clone()
    changed[:, 50] = (changed[:, 50] + 1) % VOCAB_SIZE
    before, after = model(tokens).logits_BTV, model(changed).logits_BTV
    assert torch.allclose(before[:, :50], after[:, :50], atol=1e-6)
    assert not torch.allclose(before[:, 50], after[:, 50], atol=1e-2)


@every_example
def test_layer_gives_every_parameter_a_finite_gradient(architecture):
    model, tokens = make_model(architecture).train(), make_tokens(architecture, 40)
    output = model(tokens, tokens)
    (model.loss(output, tokens) + output.auxiliary_loss).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@every_example
def test_layer_has_the_parameters_it_costs(architecture):
    expected = price(architecture, CostContext(context_length=1)).params
    assert sum(parameter.numel() for parameter in build(architecture).parameters()) == expected


@every_causal_example
@pytest.mark.parametrize("length", [1, LENGTH])
def test_layer_keeps_the_state_it_costs(architecture, length):
    model, tokens = admit_all(make_model(architecture)), make_tokens(architecture, length)
    _, state = model.extend(tokens, model.initial_state(2))
    held = sum(tensor.nbytes for tensor in tree_leaves(state.blocks))
    assert held == 2 * price(architecture, CostContext(context_length=length, bytes_per_element=4)).state_bytes


@every_causal_example
def test_layer_decodes_with_the_flops_it_costs(architecture):
    model, tokens = admit_all(make_model(architecture)), make_tokens(architecture, batch_size=1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        state = model.initial_state(1)
        for t in range(LENGTH):
            _, state = model.step(tokens[:, t], state)
    cost = price(architecture, CostContext(context_length=LENGTH))
    assert cost.flops_per_token == math.ceil(counter.get_total_flops() / LENGTH)


@every_encoder_example
def test_encoder_sees_later_tokens(architecture):
    model, tokens = make_model(architecture).double(), make_tokens(architecture, 70)
    changed = tokens.clone()
    changed[:, 50] = (changed[:, 50] + 1) % VOCAB_SIZE
    before, after = model(tokens).logits_BTV, model(changed).logits_BTV
    assert ((before - after).abs().amax(-1) > 1e-6).all()


@every_encoder_example
def test_encoder_cannot_decode(architecture):
    model = make_model(architecture)
    with pytest.raises(ValueError, match="cannot decode"):
        model.initial_state(2)
    encoder = next(module for module in model.modules() if isinstance(module, EncoderPart))
    with pytest.raises(ValueError, match="cannot decode"):
        encoder.extend(torch.zeros(2, 1, architecture.d_model), (), Pass(torch.arange(1)))


@every_encoder_example
def test_encoder_computes_with_the_flops_it_costs(architecture):
    model, tokens = make_model(architecture), make_tokens(architecture, batch_size=1)
    # fused attention is not counted on the CPU; the definition multiplies the same matrices
    with FlopCounterMode(display=False) as counter, torch.no_grad(), force("reference"):
        model(tokens)
    cost = price(architecture, CostContext(context_length=LENGTH))
    assert cost.flops_per_token == math.ceil(counter.get_total_flops() / LENGTH)
    assert cost.state_bytes == 0


@every_causal_example
def test_layer_decodes_what_it_computes_at_once(architecture):
    model, tokens = make_model(architecture).double(), make_tokens(architecture)
    state, logits = model.initial_state(2), []
    for t in range(LENGTH):
        logits_BV, state = model.step(tokens[:, t], state)
        logits.append(logits_BV)
    assert state.n_tokens == LENGTH
    assert torch.allclose(torch.stack(logits, dim=1), model(tokens).logits_BTV, atol=EXACT, rtol=EXACT)


@every_causal_example
def test_layer_decodes_in_segments(architecture):
    model, tokens = make_model(architecture).double(), make_tokens(architecture, 80)
    state, logits = model.initial_state(2), []
    for segment in tokens.split([2, 67, 1, 10], dim=1):
        logits_BTV, state = model.extend(segment, state)
        logits.append(logits_BTV)
    assert torch.allclose(torch.cat(logits, dim=1), model(tokens).logits_BTV, atol=EXACT, rtol=EXACT)


@every_example
def test_layer_sees_one_sequence_at_a_time_and_trains_what_it_evaluates(architecture):
    model, tokens = make_model(architecture).double(), make_tokens(architecture, 40, batch_size=3)
    whole = model(tokens).logits_BTV
    assert torch.allclose(model(tokens[1:2]).logits_BTV, whole[1:2], atol=EXACT, rtol=EXACT)
    same_loops = architecture.n_eval_loops == architecture.n_loops
    assert torch.equal(model.train()(tokens).logits_BTV, whole) == same_loops


@every_example
def test_layer_gives_every_weight_a_first_value(architecture):
    """A model is made in memory that holds anything. What it starts with knows nothing: each token is as likely as another."""
    with torch.device("meta"):
        model = Model(architecture)
    model.to_empty(device="cpu")
    tensors = dict([*model.named_parameters(), *model.named_buffers()])
    with torch.no_grad():
        for tensor in tensors.values():
            tensor.fill_(math.nan)
    model.initialise(torch.Generator().manual_seed(0))
    assert not [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    tokens, targets = (make_tokens(architecture, 40)[:, part] for part in (slice(39), slice(1, None)))
    unknown = targets.square().mean() if targets.is_floating_point() else torch.tensor(architecture.input.vocab_size).log()
    for training in (True, False):
        output = model.train(training)(tokens)
        assert model.loss(output, targets).item() == pytest.approx(unknown.item(), abs=0.05)


@every_example
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_layer_computes_in_half_precision(architecture, dtype):
    model, tokens = build(architecture, torch.Generator().manual_seed(0)).to(dtype), make_tokens(architecture, 20)
    tokens = tokens.to(dtype) if tokens.is_floating_point() else tokens
    output = model(tokens, tokens)
    assert output.logits_BTV.dtype == dtype
    (model.loss(output, tokens) + output.auxiliary_loss).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_example
def test_layer_learns_a_batch_by_heart(architecture):
    model, tokens = build(architecture, torch.Generator().manual_seed(0)), make_tokens(architecture, 20)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(3):
        output = model(tokens[:, :-1], tokens[:, 1:])
        loss = model.loss(output, tokens[:, 1:]) + output.auxiliary_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.update_routing_biases()
        losses.append(loss.item())
    assert losses[0] > losses[1] > losses[2]


@every_example
def test_layer_runs_the_same_operations_whatever_the_tokens(architecture):
    """A training step never looks at a number from the host, and its shapes come from shapes: it can be captured."""
    model = build(architecture, torch.Generator().manual_seed(0))
    tokens = make_tokens(architecture, 40)
    zeros = torch.zeros_like(tokens)
    first = trace(lambda: training_step(model, tokens))
    second = trace(lambda: training_step(model, zeros))
    assert len(first) > 20
    assert first == second


@every_example
def test_layer_runs_without_data(architecture):
    model = build(architecture).to("meta")
    training_step(model, make_tokens(architecture, 40).to("meta"))


def training_step(model, tokens):
    model.zero_grad()
    output = model(tokens, tokens)
    (model.loss(output, tokens) + output.auxiliary_loss).backward()
    model.update_routing_biases()
