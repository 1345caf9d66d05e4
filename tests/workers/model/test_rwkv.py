"""RWKV-5, 6 and 7 against their papers' equations, token by token and head by head in NumPy; bounds of RG-LRU's gradient."""

import numpy as np
import pytest
import torch

from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7
from workers.model.layers import Pass, part

D, T = 12, 40
GROUP_EPS = 64e-5


def random_layer(config):
    """In float64, every parameter of the order of one over the root of its inputs."""
    layer, generator = part(config, D).double(), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in layer.parameters():
            scale = parameter.shape[-1] ** -0.5 if parameter.dim() > 1 else 0.7
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return layer, {name: tensor.detach().numpy() for name, tensor in layer.named_parameters()}


def compare(config, time_mix):
    layer, weights = random_layer(config)
    x_TD = torch.randn(T, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        found = layer(x_TD[None], Pass(torch.arange(T)))[0].numpy()
    expected = time_mix(config, weights, x_TD.numpy())
    assert np.abs(expected).mean() > 0.05
    assert np.abs(found - expected).max() <= 1e-9 * np.abs(expected).max()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normed(o, weight, bias):
    """One head."""
    return (o - o.mean()) / np.sqrt(o.var() + GROUP_EPS) * weight + bias


def rwkv6_time_mix(c, p, x_TD):
    """Equations of arXiv 2404.05892: (3) to (9) for RWKV-5, (11) to (20) for RWKV-6, for row vectors."""
    states, before, outputs = np.zeros((c.n_heads, c.head_dim, c.head_dim)), np.zeros(D), []
    for x in x_TD:
        mixed = [x + (before - x) * share for share in shares6(c, p, x, before)]
        r, k, v, g = (p[f"{name}.weight"] @ m for name, m in zip(("receptance", "key", "value", "gate"), mixed, strict=False))
        d = p["log_rate"]
        if c.decay_rank:
            d = d + p["decay_up.weight"] @ np.tanh(p["decay_down.weight"] @ mixed[4])
        w, u, out = np.exp(-np.exp(d)), p["bonus"], np.empty(c.width)
        for h in range(c.n_heads):
            s = slice(h * c.head_dim, (h + 1) * c.head_dim)
            kv = np.outer(k[s], v[s])
            out[s] = normed(r[s] @ (states[h] + np.diag(u[s]) @ kv), p["norm.weight"][s], p["norm.bias"][s])
            states[h] = np.diag(w[s]) @ states[h] + kv
        outputs.append(p["out_proj.weight"] @ (out * g * sigmoid(g)))
        before = x
    return np.stack(outputs)


def shares6(c, p, x, before):
    if not c.shift_rank:
        return p["mix.share_ND"]
    low = np.tanh(p["mix.down.weight"] @ (x + (before - x) * p["mix.first_share_D"]))
    rank = c.shift_rank
    return [
        share + low[n * rank : (n + 1) * rank] @ up
        for n, (share, up) in enumerate(zip(p["mix.share_ND"], p["mix.up_NRD"], strict=True))
    ]


def rwkv7_time_mix(c, p, x_TD):
    """Equations of arXiv 2503.14456, section 4.1, in its layout: states are value by key, S_t = S_{t-1} G_t + v^T k."""
    states, before, outputs = np.zeros((c.n_heads, c.head_dim, c.head_dim)), np.zeros(D), []
    for x in x_TD:
        xr, xw, xk, xv, xa, xg = (x + (before - x) * share for share in p["share_6D"])
        r, k, v = p["receptance.weight"] @ xr, p["key.weight"] @ xk, p["value.weight"] @ xv
        d = p["decay.2.bias"] + p["decay.2.weight"] @ np.tanh(p["decay.0.weight"] @ xw)
        a = sigmoid(p["replace.2.bias"] + p["replace.2.weight"] @ (p["replace.0.weight"] @ xa))
        g = p["gate.2.weight"] @ sigmoid(p["gate.0.weight"] @ xg)
        w = np.exp(-np.exp(-0.5) * sigmoid(d))
        removal, replacement, out = k * p["removal_scale"], k * (1 + (a - 1) * p["key_scale"]), np.empty(c.width)
        for h in range(c.n_heads):
            s = slice(h * c.head_dim, (h + 1) * c.head_dim)
            unit = removal[s] / np.linalg.norm(removal[s])
            transition = np.diag(w[s]) - np.outer(unit, a[s] * unit)
            states[h] = states[h] @ transition + np.outer(v[s], replacement[s])
            bonus = (r[s] * p["bonus"][s] * replacement[s]).sum() * v[s]
            out[s] = normed(states[h] @ r[s], p["norm.weight"][s], p["norm.bias"][s]) + bonus
        outputs.append(p["out_proj.weight"] @ (out * g))
        before = x
    return np.stack(outputs)


@pytest.mark.parametrize("decay_rank", [None, 5])
@pytest.mark.parametrize("shift_rank", [None, 3])
def test_rwkv6_equals_its_paper(decay_rank, shift_rank):
    compare(RWKV6(n_heads=3, head_dim=5, decay_rank=decay_rank, shift_rank=shift_rank), rwkv6_time_mix)


def test_rwkv7_equals_its_paper():
    compare(RWKV7(n_heads=3, head_dim=5, decay_rank=4, replace_rank=2, gate_rank=3), rwkv7_time_mix)


@pytest.mark.parametrize("rate", [-200.0, -30.0, 50.0])
def test_rg_lru_has_finite_gradients_where_nothing_or_everything_is_forgotten(rate):
    layer = random_layer(RGLRU(n_blocks=2))[0].float()
    with torch.no_grad():
        layer.rate.fill_(rate)
    layer(torch.randn(2, T, D, generator=torch.Generator().manual_seed(1)), Pass(torch.arange(T))).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_rg_lru_writes_the_first_token_of_a_sequence_whole():
    layer, _ = random_layer(RGLRU())
    x_BTD = torch.ones(1, 1, D, dtype=torch.float64)
    with torch.no_grad():
        layer.rate.fill_(-30.0)  # almost nothing is forgotten, hence almost nothing written
        first = layer(x_BTD, Pass(torch.tensor([0]))) - layer.out_proj.bias
        later = layer(x_BTD, Pass(torch.tensor([7]))) - layer.out_proj.bias
    assert later.abs().max() < 1e-4 * first.abs().max()
