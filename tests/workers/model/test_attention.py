"""What is special to the attention layer: rounded caches, keys read from other layers and loops, and what is kept of them."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from kernels.attention import attention
from kernels.quantisation import fake_quantise_absmax
from kernels.visibility import Window
from search_spaces.architecture import Architecture, Layer, Loop, TokenInput
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from tests.search_spaces.examples import D_MODEL as D
from tests.search_spaces.examples import VOCAB_SIZE
from tests.workers.model.models import make_model, make_tokens
from workers.model.layers import Pass, part
from workers.model.layers.attention import AttentionLayer

T = 20
SIZES = {"n_heads": 4, "n_kv_heads": 2, "head_dim": 8}


def make_layer(seed=0, **fields):
    layer = part(Attention(**SIZES | fields), D)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * D**-0.5)
    return layer.eval()


def make_input(seed=9):
    return torch.randn(2, T, D, generator=torch.Generator().manual_seed(seed))


def new_pass():
    return Pass(torch.arange(T))


def projected(layer, x):
    """Queries, keys and values of a layer without positions, norms or gate, computed here."""
    return (y.unflatten(-1, (-1, 8)) for y in (x @ layer.in_proj.weight.T).split([32, 16, 16], dim=-1))


def model_of(*mixers, **fields):
    layers = tuple(Layer(mixers=(Attention(**SIZES | mixer),)) for mixer in mixers)
    return make_model(Architecture(d_model=D, input=TokenInput(vocab_size=VOCAB_SIZE), core=layers, **fields))


def decode(model, tokens):
    state, logits = model.initial_state(len(tokens)), []
    for token in tokens.T:
        step, state = model.step(token, state)
        logits.append(step)
    return torch.stack(logits, dim=1)


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_evaluation_reads_keys_and_values_of_few_bits(bits):
    layer, x = make_layer(kv_bits=bits, rope=False), make_input()
    q, k, v = projected(layer, x)
    rounded = attention(q, fake_quantise_absmax(k, bits), fake_quantise_absmax(v, bits))
    assert torch.allclose(layer(x, new_pass()), layer.out_proj(rounded.flatten(2)), atol=1e-6)
    exact = layer.out_proj(attention(q, k, v).flatten(2))
    assert torch.allclose(layer.train()(x, new_pass()), exact, atol=1e-6)
    assert not torch.allclose(layer.eval()(x, new_pass()), exact, atol=1e-4)


def test_fewer_bits_are_further_from_exact():
    x = make_input()
    exact = make_layer()(x, new_pass())
    errors = [(make_layer(kv_bits=bits)(x, new_pass()) - exact).norm().item() for bits in (8, 4, 2)]
    assert 0 < errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("fields", [{}, {"window": 5}, {"window": 4, "top_k": 3}, {"pattern": "strided", "stride": 4}])
@pytest.mark.parametrize("bits", [8, 2])
def test_decoding_with_few_bits_equals_the_whole(fields, bits):
    model = model_of(fields | {"kv_bits": bits})
    tokens = make_tokens(model.architecture, T)
    assert torch.allclose(decode(model, tokens), model(tokens).logits_BTV, atol=1e-5, rtol=1e-5)


def test_sharing_layer_reads_the_last_keys_that_are_like_its_own():
    first, other, last = make_layer(1, rope=False), make_layer(2, rope=False, window=3), make_layer(3, rope=False)
    reader = make_layer(4, rope=False, share_kv=True)
    shared, x = new_pass(), make_input()
    for seed, layer in enumerate((other, first, last, other)):
        layer(make_input(seed), shared)
    _, k, v = projected(last, make_input(2))
    q = (x @ reader.in_proj.weight.T).unflatten(-1, (4, 8))
    assert torch.allclose(reader(x, shared), reader.out_proj(attention(q, k, v).flatten(2)), atol=1e-6)


def test_sharing_layer_keeps_nothing():
    reader = make_layer(share_kv=True, qk_norm=True)
    assert reader.initial_state(2) == ()
    assert {name for name, _ in reader.named_parameters()} == {"in_proj.weight", "q_norm.weight", "out_proj.weight"}


def test_gradients_of_shared_keys_reach_the_layer_that_made_them():
    model = model_of({}, {"share_kv": True})
    tokens = make_tokens(model.architecture, T)
    maker, reader = (module for module in model.modules() if isinstance(module, AttentionLayer))
    with torch.no_grad():
        maker.out_proj.weight.zero_()  # so that only the reader's output depends on its keys
    model(tokens).logits_BTV.square().sum().backward()
    assert maker.in_proj.weight.grad is not None
    assert maker.in_proj.weight.grad[32:].abs().min(1).values.gt(0).all()
    assert reader.in_proj.weight.shape[0] == 32


@pytest.mark.parametrize("window", [None, 4])
def test_later_loop_reads_the_first_and_a_gated_window_of_its_own(window):
    layer = make_layer(rope=False, loop_kv="first", loop_window=3, window=window)
    shared, x, later_x = new_pass(), make_input(), make_input(1)
    q, k, v = projected(layer, x)
    assert torch.allclose(layer(x, shared), layer.out_proj(attention(q, k, v, Window(window)).flatten(2)), atol=1e-6)
    later_q, later_k, later_v = projected(layer, later_x)
    gate = torch.sigmoid(later_x @ layer.loop_gate.weight.T + layer.loop_gate.bias)[..., None]
    first = attention(later_q, k, v, Window(window))
    near = attention(later_q, later_k, later_v, Window(3))
    expected = layer.out_proj((gate * first + (1 - gate) * near).flatten(2))
    assert torch.allclose(layer(later_x, shared.in_loop(1)), expected, atol=1e-6)
    assert torch.allclose(layer(later_x, shared.in_loop(2)), expected, atol=1e-6)


def test_later_loop_without_a_window_projects_queries_only():
    layer = make_layer(rope=False, loop_kv="first")
    shared, x = new_pass(), make_input()
    layer(x, shared)
    with torch.no_grad():
        layer.in_proj.weight[32:] = float("nan")
    out, state = layer.extend(make_input(1), layer.initial_state(2), shared.in_loop(1))
    assert out.isfinite().all()
    assert all(tensor.numel() == 0 for tensor in state)


@pytest.mark.parametrize("loop", [Loop(), Loop(eval_loops=4), Loop(depth="halting")])
@pytest.mark.parametrize("loop_window", [None, 3])
def test_looped_model_decodes_with_the_first_loops_keys(loop, loop_window):
    model = model_of({"loop_kv": "first", "loop_window": loop_window}, {"kv_bits": 8}, {"share_kv": True, "kv_bits": 8},
                     n_loops=3, loop=loop, injection="add", n_meta=2)  # fmt: skip
    tokens = make_tokens(model.architecture, T)
    assert torch.allclose(decode(model, tokens), model(tokens).logits_BTV, atol=1e-5, rtol=1e-5)


def test_global_tokens_are_seen_for_ever():
    layer, x = make_layer(window=3, n_global=2), make_input()
    changed = x.clone()
    changed[:, 1] += 1
    moved = (layer(x, new_pass()) - layer(changed, new_pass())).abs().amax((0, 2)) > 1e-4
    assert moved.tolist() == [False] + [True] * (T - 1)
    changed = x.clone()
    changed[:, 2] += 1
    moved = (layer(x, new_pass()) - layer(changed, new_pass())).abs().amax((0, 2)) > 1e-4
    assert moved.tolist() == [False] * 2 + [True] * 3 + [False] * (T - 5)


def test_channels_beyond_the_rotary_fraction_know_no_position():
    layer, x = make_layer(rotary_fraction=0.25), make_input()
    shuffled = torch.cat([x[:, :-1].flip(1), x[:, -1:]], dim=1)
    assert not torch.allclose(layer(x, new_pass())[:, -1], layer(shuffled, new_pass())[:, -1], atol=1e-4)
    with torch.no_grad():
        layer.in_proj.weight[:48].unflatten(0, (-1, 8))[:, :2] = 0  # the two channels that turn, of queries and keys
    assert torch.allclose(layer(x, new_pass())[:, -1], layer(shuffled, new_pass())[:, -1], atol=1e-5)


def test_top_k_scores_learn_from_the_loss():
    layer, x = make_layer(window=2, top_k=2), make_input()
    layer(x, new_pass()).square().sum().backward()
    assert layer.score.weight.grad.abs().gt(0).all()


def option(values):
    return st.none() | st.sampled_from(values)


PATTERNS = {
    "dense": {
        "window": option([1, 2, 5, 12]),
        "n_global": st.sampled_from([0, 0, 1, 4]),
        "top_k": option([1, 3, 9]),
    },
    "strided": {"stride": st.integers(2, 12)},
    "fixed": {"stride": st.integers(2, 12), "n_summary": st.integers(1, 4)},
    "bigbird": {"block_size": st.integers(1, 6), "n_random": st.integers(0, 4), "n_global": st.integers(0, 4)},
}
OPTIONS = {
    "n_heads": st.sampled_from([2, 4, 6]),
    "n_kv_heads": st.sampled_from([1, 2]),
    "head_dim": st.sampled_from([4, 7, 8]),
    "rope": st.booleans(),
    "rotary_fraction": st.sampled_from([1.0, 0.5]),
    "soft_cap": option([2.0]),
} | {name: st.booleans() for name in ("qk_norm", "sink", "output_gate", "sub_norm")}
CONFIGS = st.sampled_from(sorted(PATTERNS)).flatmap(
    lambda pattern: st.fixed_dictionaries({"pattern": st.just(pattern)} | OPTIONS | PATTERNS[pattern])
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(fields=CONFIGS, length=st.sampled_from([1, 6, 20]), seed=st.integers(0, 99))
def test_any_possible_attention_decodes_what_it_computes_at_its_cost(fields, length, seed):
    config = Attention(**fields)
    assume(not list(config.problems(D)))
    layer, x = make_layer(seed, **fields), make_input(seed)[:1, :length]
    cost = config.cost(D, CostContext(context_length=length, bytes_per_element=4))
    state, outputs = layer.initial_state(1), []
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for t in range(length):
            output, state = layer.extend(x[:, t : t + 1], state, Pass(torch.arange(t, t + 1)))
            outputs.append(output)
    assert torch.allclose(torch.cat(outputs, dim=1), layer(x, Pass(torch.arange(length))), atol=1e-5, rtol=1e-4)
    assert math.ceil(counter.get_total_flops() / length) == cost.flops_per_token
    assert sum(tensor.nbytes for tensor in state) == cost.state_bytes
    assert sum(parameter.numel() for parameter in layer.parameters()) == cost.params
