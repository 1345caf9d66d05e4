"""The looped core against its definitions, written out: what a loop reads, when a token halts, which tokens go on."""

import pytest
import torch
from torch.nn import functional as F

from search_spaces.architecture import Architecture, Layer, Loop, TokenInput
from search_spaces.quota import quota
from tests.search_spaces.examples import D_MODEL, EXAMPLES, VOCAB_SIZE
from tests.workers.model.models import make_model, make_tokens
from workers.model import build
from workers.model.layers import Pass

LENGTH = 13
ATTENTION = Layer(mixers=(EXAMPLES["gqa"],), channel=EXAMPLES["swiglu"])


def looped(n_loops=3, **fields):
    core = (ATTENTION, Layer(mixers=(EXAMPLES["short_conv"],)))
    return Architecture(d_model=D_MODEL, input=TokenInput(vocab_size=VOCAB_SIZE), core=core, n_loops=n_loops, **fields)


def core_of(architecture, seed=0):
    return make_model(architecture, seed).double().backbone.core


def stream():
    return torch.randn(2, LENGTH, D_MODEL, generator=torch.Generator().manual_seed(3)).double()


def run(core, x):
    shared = Pass(torch.arange(x.shape[1]))
    return core.run(x, None, shared)[0], shared.losses


def layers(core, x, loop=0):
    """The core's layers once."""
    return core.layers.run(x, None, Pass(torch.arange(x.shape[1]), loop=loop))[0]


def test_concat_joins_by_a_matrix():
    core, x = core_of(looped(injection="concat")), stream()
    of_h, of_input = core.entry.join.weight.split(D_MODEL, dim=1)
    h = layers(core, x)
    for _ in range(2):
        h = layers(core, h @ of_h.T + x @ of_input.T)
    assert torch.allclose(run(core, x)[0], h, atol=1e-12)


def test_concat_starts_as_add():
    models = [build(looped(injection=how), torch.Generator().manual_seed(0)) for how in ("add", "concat")]
    added, joined = (model(make_tokens(model.architecture)).logits_BTV for model in models)
    assert torch.allclose(added, joined, atol=1e-6)


def test_norm_and_step_come_before_each_loop():
    core, x = core_of(looped(2, injection="add", norm="layer", loop=Loop(norm=True, step_embedding=True))), stream()
    h = layers(core, x + core.entry.steps[0])
    normed = F.layer_norm(h, (D_MODEL,), core.entry.norm.weight, core.entry.norm.bias)
    assert torch.allclose(run(core, x)[0], layers(core, normed + x + core.entry.steps[1]), atol=1e-12)


def test_shift_reads_the_output_one_token_earlier():
    core, x = core_of(looped(injection="add", loop=Loop(shift=True))), stream()
    h = layers(core, x)
    for _ in range(2):
        shifted = torch.zeros_like(h)
        for t in range(1, LENGTH):
            shifted[:, t] = h[:, t - 1]
        h = layers(core, shifted + x)
    assert torch.allclose(run(core, x)[0], h, atol=1e-12)


@pytest.mark.parametrize("eval_loops", [1, 2, 5])
def test_evaluation_runs_its_own_number_of_loops(eval_loops):
    model = make_model(looped(3, injection="add", loop=Loop(eval_loops=eval_loops)))
    tokens = make_tokens(model.architecture)
    trained_with = make_model(looped(3, injection="add"))
    trained_with.load_state_dict(model.state_dict())
    assert torch.equal(model.train()(tokens).logits_BTV, trained_with.train()(tokens).logits_BTV)
    fields = {"injection": "add"} if eval_loops > 1 else {}
    evaluated_with = make_model(looped(eval_loops, **fields))
    evaluated_with.load_state_dict(model.state_dict())
    evaluated = model.eval()(tokens).logits_BTV
    assert torch.equal(evaluated, evaluated_with(tokens).logits_BTV)
    assert not torch.allclose(evaluated, trained_with(tokens).logits_BTV, atol=1e-3)


def test_loops_beyond_the_trained_take_the_last_step():
    core, x = core_of(looped(2, loop=Loop(step_embedding=True, eval_loops=4))), stream()
    h = x
    for step in (0, 1, 1, 1):
        h = layers(core, h + core.entry.steps[step])
    assert torch.allclose(run(core, x)[0], h, atol=1e-12)


def act(core, x, n_loops):
    """Adaptive computation time token by token, as published: halting probabilities, remainder, and number of loops."""
    h, states, probabilities = x, [], []
    halted = torch.zeros(x.shape[:2], dtype=torch.bool)
    for _ in range(n_loops):
        after = layers(core, h)
        h = torch.where(halted[..., None], h, after)
        states.append(h)
        probabilities.append(torch.sigmoid(h @ core.halting.weight[0] + core.halting.bias))
        halted = torch.stack(probabilities).sum(0) >= 0.99
    out, expected = torch.zeros_like(x), torch.zeros(x.shape[:2]).double()
    for b in range(x.shape[0]):
        for t in range(x.shape[1]):
            spent = 0.0
            for n in range(n_loops):
                p = probabilities[n][b, t].item()
                last = n == n_loops - 1 or spent + p >= 0.99
                weight = 1 - spent if last else p
                out[b, t] += weight * states[n][b, t]
                expected[b, t] += weight * (n + 1)
                spent += weight
                if last:
                    break
    return out, expected


@pytest.mark.parametrize("bias", [-1.0, 0.5, 3.0])
def test_halting_is_adaptive_computation_time(bias):
    core, x = core_of(looped(4, loop=Loop(depth="halting", ponder_weight=0.25))), stream()
    with torch.no_grad():
        core.halting.bias.fill_(bias)
        core.halting.weight.mul_(2)
        expected_out, expected_loops = act(core, x, 4)
        out, (loss,) = run(core, x)
    assert torch.allclose(out, expected_out, atol=1e-12)
    assert loss.item() == pytest.approx(0.25 * expected_loops.mean().item())
    assert expected_loops.std() > 0.05


def test_halting_at_once_is_one_loop():
    core, x = core_of(looped(3, loop=Loop(depth="halting"))), stream()
    with torch.no_grad():
        core.halting.bias.fill_(50)
    out, (loss,) = run(core, x)
    assert torch.allclose(out, layers(core, x), atol=1e-12)
    assert loss.item() == pytest.approx(0.01)


def admitted(wants_BT, share):
    """One token after the other: it goes on if it wants to and at most this share of the tokens so far, rounded up, has."""
    admitted_BT = torch.zeros_like(wants_BT)
    for wants_T, admitted_T in zip(wants_BT, admitted_BT, strict=True):
        for t, wants in enumerate(wants_T):
            admitted_T[t] = wants and admitted_T.sum() < quota(share, t + 1)
    return admitted_BT


def of_some(core, h, x, loop, goes_on_BT):
    """Loop `loop` of those tokens that go on, each sequence by itself; the others are not there."""
    out = h.clone()
    for b, goes_on_T in enumerate(goes_on_BT):
        positions = goes_on_T.nonzero()[:, 0]
        if not len(positions):
            continue
        entered = core.entry(h[b : b + 1, positions], x[b : b + 1, positions], loop)
        out[b, positions] = core.layers.run(entered, None, Pass(positions, loop=loop))[0][0]
    return out


@pytest.mark.parametrize("injection", ["none", "add", "concat"])
@pytest.mark.parametrize("capacities", [None, (0.75, 0.25), (1.0, 1.0)])
def test_token_choice_gives_each_token_its_number_of_loops(capacities, injection):
    core, x = core_of(looped(injection=injection, loop=Loop(depth="token_choice", capacities=capacities))), stream()
    probabilities = (x @ core.router.weight.T + core.router.bias).softmax(-1)
    weight, choice = probabilities.max(-1)
    h, in_loop = layers(core, x), torch.ones(2, LENGTH, dtype=torch.bool)
    for loop, share in ((1, (capacities or (2 / 3, 1 / 3))[0]), (2, (capacities or (2 / 3, 1 / 3))[1])):
        in_loop = admitted(in_loop & (choice >= loop), share)
        assert 0 < in_loop.sum() < in_loop.numel()
        h = of_some(core, h, x, loop, in_loop)
    out, (loss,) = run(core, x)
    assert torch.allclose(out, x + weight[..., None] * (h - x), atol=1e-12)
    shares = F.one_hot(choice, 3).double().mean((0, 1))
    assert loss.item() == pytest.approx(0.1 * 3 * (shares * probabilities.mean((0, 1))).sum().item())


@pytest.mark.parametrize("injection", ["none", "add", "concat"])
@pytest.mark.parametrize("capacities", [None, (0.75, 0.25), (1.0, 1.0)])
def test_expert_choice_decides_before_every_loop(capacities, injection):
    core, x = core_of(looped(injection=injection, loop=Loop(depth="expert_choice", capacities=capacities))), stream()
    h, in_loop, expected_losses = layers(core, x), torch.ones(2, LENGTH, dtype=torch.bool), []
    for loop, share in ((1, (capacities or (2 / 3, 1 / 3))[0]), (2, (capacities or (2 / 3, 1 / 3))[1])):
        router = core.admissions[loop - 1].score
        score = (h @ router.weight.T + router.bias)[..., 0]
        expected_losses.append(0.01 * misjudged(score, in_loop, quota(share, LENGTH)))
        in_loop = admitted(in_loop & (score > 0), share)
        assert 0 < in_loop.sum() < in_loop.numel()
        h = h + score.sigmoid()[..., None] * (of_some(core, h, x, loop, in_loop) - h)
    out, losses = run(core, x)
    assert torch.allclose(out, h, atol=1e-12)
    assert torch.allclose(torch.stack(losses), torch.stack(expected_losses))


def misjudged(score_BT, among_BT, n_highest):
    """Cross-entropy of "above 0" against "among the n highest", over the tokens that may go on."""
    losses = []
    for score_T, among_T in zip(score_BT, among_BT, strict=True):
        highest = score_T[among_T].sort(descending=True).values[:n_highest]
        for score in score_T[among_T]:
            losses.append(F.softplus(-score if score in highest else score))
    return torch.stack(losses).mean()
