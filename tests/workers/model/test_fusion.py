"""How parallel mixers join, each against its definition written out token by token in float64."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from search_spaces.layer import Layer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.recurrence import gated_deltanet
from search_spaces.primitives.short_conv import ShortConv
from workers.model.fusion import Branches, fused_mixers
from workers.model.layers import Initialiser, Pass
from workers.model.layers.attention import AttentionLayer

D, T = 16, 20
ATTENTION = Attention(n_heads=2, n_kv_heads=1, head_dim=8)
DELTA = gated_deltanet(D, n_heads=2, key_dim=8)
NARROW = ShortConv()


def branches(fusion, *mixers, norm="rms", **fields) -> Any:
    layer = Layer(mixers=mixers or (ATTENTION, DELTA), fusion=fusion, **fields)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        block = fused_mixers(layer, D, norm)
        block.initialise(Initialiser(generator, 1.0, std=0.3))
    assert isinstance(block, Branches)
    return block.double().eval()


def tokens() -> torch.Tensor:
    return torch.randn(2, T, D, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def everyone() -> Pass:
    return Pass(torch.arange(T))


def outputs(block: Branches, x: torch.Tensor) -> list[torch.Tensor]:
    return [part(x, everyone()) for part in block.parts()]


def test_one_mixer_is_itself():
    assert isinstance(fused_mixers(Layer(mixers=(ATTENTION,)), D, "rms"), AttentionLayer)


def test_add_is_the_sum():
    block, x = branches("add"), tokens()
    assert torch.allclose(block.run(x, None, everyone())[0], torch.stack(outputs(block, x)).sum(0))


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_norm_mean_is_the_mean_of_normed_branches(norm):
    block, x = branches("norm_mean", norm=norm), tokens()
    centred = [out - out.mean(-1, keepdim=True) if norm == "layer" else out for out in outputs(block, x)]
    truth = torch.stack([out / (out.square().mean(-1, keepdim=True) + 1e-5).sqrt() for out in centred]).mean(0)
    assert torch.allclose(block.run(x, None, everyone())[0], truth)


def test_gates_weigh_every_branch_and_channel():
    block, x = branches("gate"), tokens()
    gates = (x @ block.gate.weight.T).sigmoid()
    first, second = outputs(block, x)
    assert torch.allclose(block.run(x, None, everyone())[0], gates[..., :D] * first + gates[..., D:] * second)


@pytest.mark.parametrize("fusion", ["add", "gate"])
def test_split_branches_have_channels_of_their_own(fusion):
    attention = Attention(n_heads=1, n_kv_heads=1, head_dim=4)
    block, x = branches(fusion, attention, NARROW, widths=(6, 10)), tokens()
    first, second = block.parts()
    truth = torch.cat([first(x[..., :6], everyone()), second(x[..., 6:], everyone())], dim=-1)
    if fusion == "gate":
        assert block.gate.weight.shape == (D, D)
        truth = truth * (x @ block.gate.weight.T).sigmoid()
    assert torch.allclose(block.run(x, None, everyone())[0], truth)


def test_soft_router_weighs_branches_by_its_softmax():
    block, x = branches("route_soft"), tokens()
    weights = (x @ block.router.weight.T).softmax(-1)
    first, second = outputs(block, x)
    assert torch.allclose(block.run(x, None, everyone())[0], weights[..., :1] * first + weights[..., 1:] * second)


def test_top_router_hides_a_token_from_all_branches_but_one():
    """Each branch sees the sequence of its own tokens only; the output counts by the router's probability."""
    block, x = branches("route_top1", ATTENTION, DELTA, NARROW), tokens()
    probabilities = (x @ block.router.weight.T).softmax(-1)
    choices = probabilities.argmax(-1)
    truth = torch.zeros_like(x)
    for row in range(2):
        for index, branch in enumerate(block.parts()):
            mine = choices[row] == index
            assert mine.any()
            out = branch(x[row, mine][None], Pass(torch.arange(T)[mine]))[0]
            truth[row, mine] = probabilities[row, mine, index, None] * out
    shared = everyone()
    assert torch.allclose(block.run(x, None, shared)[0], truth, atol=1e-6)
    shares = F.one_hot(choices.flatten(), 3).double().mean(0)
    balance = 3 * (shares * probabilities.flatten(0, 1).mean(0)).sum()
    assert torch.allclose(shared.losses[0], 0.01 * balance)


def test_top_router_keeps_state_of_its_own_tokens_only():
    block, x = branches("route_top1"), tokens()
    attention = next(index for index, part in enumerate(block.parts()) if isinstance(part, AttentionLayer))
    out, start = [], 0
    state = block.initial_state(2)
    for length in (1, 6, 1, 12):
        passed = Pass(torch.arange(start, start + length))
        y, state = block.run(x[:, start : start + length], state, passed)
        out.append(y)
        start += length
    assert torch.allclose(torch.cat(out, dim=1), block.run(x, None, everyone())[0], atol=1e-6)
    chosen = ((x @ block.router.weight.T).argmax(-1) == attention).sum(1)
    assert [row[0].shape[1] for row in state[attention]] == chosen.tolist()
    assert 0 < chosen.sum() < 2 * T
