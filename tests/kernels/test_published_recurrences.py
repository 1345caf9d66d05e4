"""The recurrence against the step formulas that its members publish, in float64: [B, T, H, D] throughout, gates as logarithms.

The formulas are those of the naive operators of flash-linear-attention, written anew.
"""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kernels.dispatch import force
from kernels.feature_maps import favor, random_rows
from kernels.recurrence import recurrence
from kernels.stabiliser import stabilise

B, T, H, K, V = 2, 75, 3, 6, 5


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


Q, KEYS, VALUES = draw(B, T, H, K, seed=1), F.normalize(draw(B, T, H, K, seed=2), dim=-1), draw(B, T, H, V, seed=3)
BETA, HEAD_GATE, KEY_GATE = draw(B, T, H, seed=4).sigmoid(), -F.softplus(draw(B, T, H)), -F.softplus(draw(B, T, H, K))
SCALE = K**-0.5


def steps(read, state):
    """A formula for one token, over all of them."""
    outputs = []
    for t in range(T):
        out, state = read(t, state)
        outputs.append(out)
    return torch.stack(outputs, dim=1)


def retention(t, s):
    gamma = 1 - torch.exp2(-5.0 - torch.arange(H).double())
    s = gamma[:, None, None] * s + torch.einsum("bhk,bhv->bhkv", KEYS[:, t], VALUES[:, t])
    return torch.einsum("bhk,bhkv->bhv", Q[:, t] * SCALE, s), s


def linear_attention(t, s):
    s = s + torch.einsum("bhk,bhv->bhkv", KEYS[:, t], VALUES[:, t])
    return torch.einsum("bhk,bhkv->bhv", Q[:, t] * SCALE, s), s


def gated_linear_attention(t, s):
    s = KEY_GATE[:, t].exp()[..., None] * s + torch.einsum("bhk,bhv->bhkv", KEYS[:, t], VALUES[:, t])
    return torch.einsum("bhk,bhkv->bhv", Q[:, t] * SCALE, s), s


def hgrn2(t, s):
    forget = KEY_GATE[:, t].exp()
    s = forget[..., None] * s + (1 - forget)[..., None] * VALUES[:, t, :, None, :]
    return torch.einsum("bhk,bhkv->bhv", Q[:, t] * SCALE, s), s


def delta(t, s, beta=BETA):
    k, b = KEYS[:, t], beta[:, t, :, None]
    new = b * (VALUES[:, t] - torch.einsum("bhk,bhkv->bhv", k, s))
    s = s + torch.einsum("bhk,bhv->bhkv", k, new)
    return torch.einsum("bhk,bhkv->bhv", Q[:, t] * SCALE, s), s


def negative_delta(t, s):
    return delta(t, s, 2 * BETA)


def gated_delta(t, s):
    return delta(t, HEAD_GATE[:, t].exp()[..., None, None] * s)


def kimi_delta(t, s):
    return delta(t, KEY_GATE[:, t].exp()[..., None] * s)


GAMMA = torch.log1p(-torch.exp2(-5.0 - torch.arange(H).double())).expand(B, T, H)
MEMBERS = {
    retention: (KEYS, GAMMA, None),
    linear_attention: (KEYS, None, None),
    gated_linear_attention: (KEYS, KEY_GATE, None),
    hgrn2: (-torch.expm1(KEY_GATE), KEY_GATE, None),
    delta: (KEYS, None, BETA),
    negative_delta: (KEYS, None, 2 * BETA),
    gated_delta: (KEYS, HEAD_GATE, BETA),
    kimi_delta: (KEYS, KEY_GATE, BETA),
}


@pytest.mark.parametrize("form", ["reference", "chunked"])
@pytest.mark.parametrize("formula", MEMBERS, ids=lambda formula: formula.__name__)
def test_recurrence_equals_published_formula(formula, form):
    keys, log_decay, beta = MEMBERS[formula]
    with force(form):
        found, _ = recurrence(Q * SCALE, keys, VALUES, log_decay, beta)
    assert torch.allclose(found, steps(formula, torch.zeros(B, H, K, V).double()), atol=1e-12)


def mlstm(gates, q, k, v):
    """xLSTM's recurrence without stabiliser (arXiv 2405.04517, eqs. 19 to 27): it may overflow."""
    input_gate, forget_gate = gates
    c, n, outputs = torch.zeros(B, H, K, V).double(), torch.zeros(B, H, K).double(), []
    for t in range(T):
        i, f = input_gate[:, t].exp(), forget_gate[:, t].sigmoid()
        c = f[..., None, None] * c + i[..., None, None] * k[:, t, :, :, None] * v[:, t, :, None, :]
        n = f[..., None] * n + i[..., None] * k[:, t]
        sums = torch.einsum("bhk,bhk->bh", q[:, t], n).abs().clamp_min(1)
        outputs.append(torch.einsum("bhk,bhkv->bhv", q[:, t], c) / sums[..., None])
    return torch.stack(outputs, dim=1)


def stabilised_mlstm(split, gates, q, k, v):
    """The same through the stabiliser and the chunked recurrence, in two segments."""
    input_gate, forget_gate = gates
    state, maximum, outputs = torch.zeros(B, H, K, V + 1).to(q), torch.zeros(B, H).to(q), []
    for part in (slice(0, split), slice(split, T)):
        if part.start == part.stop:
            continue
        weight, log_decay, maxima = stabilise(input_gate[:, part], F.logsigmoid(forget_gate[:, part]), maximum)
        written = F.pad(v[:, part], (0, 1), value=1.0) * weight[..., None]
        out, state = recurrence(q[:, part], k[:, part], written, log_decay, None, state)
        outputs.append(out[..., :-1] / torch.maximum(out[..., -1:].abs(), (-maxima).exp()[..., None]))
        maximum = maxima[:, -1]
    return torch.cat(outputs, dim=1)


@pytest.mark.parametrize(("spread", "forget"), [(1.0, 1.0), (20.0, 3.0), (1.0, -6.0)])
@pytest.mark.parametrize("split", [T, 31])
def test_stabilised_writes_equal_the_plain_definition(spread, forget, split):
    gates = [spread * draw(B, T, H, seed=7), forget + draw(B, T, H, seed=8)]
    inputs = [x.requires_grad_() for x in (*gates, Q.clone(), KEYS.clone(), VALUES.clone())]
    gates, vectors = inputs[:2], inputs[2:]
    expected, found = mlstm(gates, *vectors), stabilised_mlstm(split, gates, *vectors)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9)
    weights = draw(B, T, H, V, seed=9)
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        assert (ours - theirs).norm() <= 1e-8 * theirs.norm()


def test_stabilised_writes_equal_transformers():
    xlstm = pytest.importorskip("transformers.models.xlstm.modeling_xlstm")
    gates = [3 * draw(B, T, H, seed=7).float(), 2 + draw(B, T, H, seed=8).float()]
    q, k, v = Q.float(), KEYS.float(), VALUES.float()
    theirs = [x.transpose(1, 2) for x in (q, k, v, *gates)]
    expected = xlstm.mlstm_recurrent_sequence_native(*theirs, eps=0.0)
    found = stabilised_mlstm(T, gates, q * SCALE, k, v)
    expected = (expected[0] if isinstance(expected, tuple) else expected).transpose(1, 2)
    assert (found - expected).norm() <= 1e-5 * expected.norm()


def test_stabilised_writes_stay_finite_in_float32():
    """Input gates of 200 and after a long silence: e^200 is no float32."""
    gates = [200 * draw(B, T, H, seed=7).float(), -30 + draw(B, T, H, seed=8).float()]
    found = stabilised_mlstm(T, gates, Q.float(), KEYS.float(), VALUES.float())
    exact = mlstm([x.double() for x in gates], Q, KEYS, VALUES)
    assert found.isfinite().all()
    assert (found - exact).norm() <= 1e-4 * exact.norm()


def test_favor_features_estimate_softmax_weights():
    """Unbiased: the mean over many features is exp(q.k / sqrt(K))."""
    rows = random_rows(torch.empty(20_000, K).double(), torch.Generator().manual_seed(0))
    (q, q_scale), (k, k_scale) = favor(Q[0, :, 0], rows), favor(KEYS[0, :, 0], rows)
    estimate = (q @ k.mT / len(rows)) * (q_scale[:, None] + k_scale).exp()
    weights = (Q[0, :, 0] @ KEYS[0, :, 0].mT * SCALE).exp()
    assert ((estimate - weights) / weights).abs().median() < 0.02


def test_favor_rows_are_orthogonal_in_blocks_and_of_normal_lengths():
    rows = random_rows(torch.empty(601, 8).double(), torch.Generator().manual_seed(0))
    products = rows[:8] @ rows[:8].mT
    assert torch.allclose(products, products.diagonal().diag(), atol=1e-9)
    assert rows.shape == (601, 8)
    assert rows.square().sum(-1).mean().item() == pytest.approx(8, rel=0.1)
    assert rows.square().sum(-1).std() > 2


def test_favor_with_running_maximum_equals_weights_without_any():
    """Causal, and exact however large the keys are: the maximum cancels."""
    rows, keys = random_rows(torch.empty(7, K).double(), torch.Generator().manual_seed(0)), 4 * draw(B, T, H, K, seed=5)

    def plain(x):
        x = x * K**-0.25
        return (x @ rows.mT - x.square().sum(-1, keepdim=True) / 2).exp()

    scores = torch.einsum("bihm,bjhm->bhij", plain(Q), plain(keys)).tril()
    expected = torch.einsum("bhij,bjhv->bihv", scores / scores.sum(-1, keepdim=True), VALUES)
    (q, _), (k, log_scale) = favor(Q, rows), favor(keys, rows)
    weight, log_decay, _ = stabilise(log_scale, None, torch.zeros(B, H).double())
    out, _ = recurrence(q, k, F.pad(VALUES, (0, 1), value=1.0) * weight[..., None], log_decay)
    assert torch.allclose(out[..., :-1] / out[..., -1:], expected, rtol=1e-7, atol=1e-9)
