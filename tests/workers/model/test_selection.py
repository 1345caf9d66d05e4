"""Blocks that only some tokens pass, against the same blocks over sequences that have the other tokens cut out."""

from typing import Any

import pytest
import torch

from kernels.quota import admit
from search_spaces.layer import Layer
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.swiglu import SwiGLU
from tests.search_spaces.examples import D_MODEL, EXAMPLES
from workers.model.layers import Block, Initialiser, Pass, part
from workers.model.residual import residual_layer
from workers.model.selection import Admission, MixtureOfDepths, initial_rows, run_chosen

B, T = 3, 18
# the first example of every causal mixer, and the kinds of attention whose windows and patterns count tokens
MIXERS = {config.kind: config for config in reversed(EXAMPLES.values()) if config.role == "mixer" and config.causal}
MIXERS |= {name: config for name, config in EXAMPLES.items() if isinstance(config, Attention)}
LAYER = Layer(mixers=(Attention(n_heads=4, n_kv_heads=2, head_dim=8),), channel=SwiGLU(d_ff=24))


def randomised(block: Block | Admission) -> Any:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        block.initialise(Initialiser(generator, 1.0, std=0.3))
    return block.double().eval()


def tokens(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, D_MODEL, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def chosen_tokens() -> torch.Tensor:
    """In the last row none."""
    return (torch.rand(B, T, generator=torch.Generator().manual_seed(5)) < 0.5) & (torch.arange(B) < B - 1)[:, None]


def everyone() -> Pass:
    return Pass(torch.arange(T))


def cut_out(block: Block, x: torch.Tensor, chosen_BT: torch.Tensor) -> torch.Tensor:
    """The definition: each row's chosen tokens, at their positions, are a sequence of their own."""
    out = torch.zeros_like(x)
    for row, chosen_T in enumerate(chosen_BT):
        if chosen_T.any():
            positions = torch.arange(T)[chosen_T]
            out[row, chosen_T] = block.run(x[row, chosen_T][None], None, Pass(positions))[0][0]
    return out


@pytest.mark.parametrize("name", MIXERS)
def test_chosen_tokens_pass_as_a_sequence_of_their_own(name):
    mixer, x, chosen_BT = randomised(part(MIXERS[name], D_MODEL)), tokens(B, T), chosen_tokens()
    truth = cut_out(mixer, x, chosen_BT)
    found, empty = run_chosen(mixer, x, chosen_BT, int(chosen_BT.sum(1).max()), None, everyone())
    assert empty == []
    assert torch.allclose(found, truth, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", MIXERS)
def test_rows_choose_for_themselves_in_decoding(name):
    mixer, x, chosen_BT = randomised(part(MIXERS[name], D_MODEL)), tokens(B, T), chosen_tokens()
    rows, outs, start = initial_rows(mixer, B), [], 0
    for length in (1, 5, 1, 11):
        segment = slice(start, start + length)
        passed = Pass(torch.arange(start, start + length))
        out, rows = run_chosen(mixer, x[:, segment], chosen_BT[:, segment], length, rows, passed)
        outs.append(out)
        start += length
    assert torch.allclose(torch.cat(outs, dim=1), cut_out(mixer, x, chosen_BT), atol=1e-6, rtol=1e-6)


def test_a_row_without_chosen_tokens_keeps_its_state():
    mixer, x = randomised(part(LAYER.mixers[0], D_MODEL)), tokens(2, 1)
    before = initial_rows(mixer, 2)
    _, after = run_chosen(mixer, x, torch.tensor([[True], [False]]), 1, before, Pass(torch.arange(1)))
    assert after[1] is before[1]
    assert after[0][0].shape[1] == 1


def test_fillers_are_left_out_of_routers_counts():
    moe, x = randomised(part(MoE(n_experts=4, top_k=2, d_expert=8), D_MODEL)), tokens(1, T)
    chosen_BT = torch.arange(T)[None] % 3 == 0
    shared, alone = everyone(), everyone()
    run_chosen(moe, x, chosen_BT, T, None, shared)
    moe.run(x[:, ::3], None, alone)
    assert torch.allclose(shared.losses[0], alone.losses[0])


def test_nothing_is_handed_over_between_all_tokens_and_some():
    class Leaves(Block):
        def initialise(self, init):
            """Nothing."""

        def initial_state(self, batch_size):
            return ()

        def run(self, x, state, shared):
            assert shared.memory == {}
            shared.memory["keys"] = x
            return x, ()

    for rows in (None, initial_rows(Leaves(), B)):
        shared = Pass(torch.arange(T), memory={"of all": 1})
        run_chosen(Leaves(), tokens(B, T), chosen_tokens(), T, rows, shared)
        assert shared.memory == {"of all": 1}


def test_gradients_are_those_of_sequences_of_their_own():
    mixer, x, chosen_BT = randomised(part(EXAMPLES["gqa"], D_MODEL)), tokens(B, T).requires_grad_(), chosen_tokens()
    weight = tokens(B, T).flip(1)
    truth, found = (
        torch.autograd.grad((out * weight).sum(), x)[0]
        for out in (cut_out(mixer, x, chosen_BT), run_chosen(mixer, x, chosen_BT, T, None, everyone())[0])
    )
    assert torch.allclose(found, truth, atol=1e-10)


def depths(capacity: float = 0.4) -> MixtureOfDepths:
    layer = randomised(residual_layer(LAYER.model_copy(update={"capacity": capacity}), D_MODEL, "rms"))
    assert isinstance(layer, MixtureOfDepths)
    return layer


@pytest.mark.parametrize("shape", [(B, T), (B, T, 2)])
def test_mixture_of_depths_is_its_definition(shape):
    """A token whose score is above 0 passes while the quota lasts; what the layer adds counts by the score's sigmoid."""
    layer = depths()
    if len(shape) == 3:
        layer.block = randomised(residual_layer(LAYER, D_MODEL, "rms", n_streams=2))
    x = tokens(*shape)
    router = layer.admission.score
    scores = (x if x.dim() == 3 else x.mean(2)) @ router.weight[0] + router.bias
    chosen_BT = torch.zeros(B, T, dtype=torch.bool)
    for row in range(B):
        for t in range(T):
            fits = chosen_BT[row].sum() < torch.tensor(0.4 * (t + 1) - 1e-9).ceil()
            chosen_BT[row, t] = (scores[row, t] > 0) & fits
    assert 0 < chosen_BT.sum() < (scores > 0).sum() < scores.numel()
    weight = (scores.sigmoid() * chosen_BT)[(...,) + (None,) * (x.dim() - 2)]
    truth = x + weight * (cut_out(layer.block, x, chosen_BT) - x)
    assert torch.allclose(layer.run(x, None, everyone())[0], truth, atol=1e-10)


def test_training_moves_the_admitted_share_to_the_capacity():
    torch.manual_seed(0)
    admission, x = randomised(Admission(D_MODEL, 0.25)), tokens(4, 100)
    optimizer = torch.optim.Adam(admission.parameters(), lr=0.1)
    share_before = (admission.score(x) > 0).double().mean()
    for _ in range(60):
        shared = Pass(torch.arange(100))
        admission(x, None, shared)
        optimizer.zero_grad()
        (shared.losses[0] * 100).backward()
        optimizer.step()
    share_after = (admission.score(x) > 0).double().mean()
    assert share_before > 0.4
    assert 0.2 < share_after < 0.3


def test_only_tokens_that_may_are_admitted_and_counted_in_the_loss():
    admission, x = randomised(Admission(D_MODEL, 0.5)), tokens(B, T)
    among_BT = torch.arange(T).expand(B, T) < 8
    valid = Pass(torch.arange(T), valid_BT=torch.arange(T).expand(B, T) < 16)
    admitted_BT, _, _ = admission(x, None, valid, among_BT)
    scores_BT = admission.score(x)[..., 0]
    assert torch.equal(admitted_BT, admit((scores_BT > 0) & among_BT, 0.5)[0])
    # half of the 16 valid tokens may enter: all eight that are asked should
    expected = torch.nn.functional.softplus(-scores_BT[:, :8]).mean()
    assert torch.allclose(valid.losses[0], 0.01 * expected)
