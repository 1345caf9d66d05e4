"""The norms against torch's own or their definitions, and that a model's norms are all of its kind."""

import pytest
import torch
from torch import nn

from search_spaces.architecture import Architecture, Layer, Loop
from search_spaces.norm import norm_params
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from workers.model import build
from workers.model.layers.norm import NORMS, DyT, L1Norm, LayerNorm, Norm, RMSNorm, make_norm

SIZE = 12
X = 3 * torch.randn(4, 5, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LAYER = Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8), ShortConv()), fusion="norm_mean", channel=SwiGLU(d_ff=8))


def random_norm(kind):
    norm, generator = make_norm(kind, SIZE).double(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return norm


@pytest.mark.parametrize(("kind", "theirs"), [("rms", nn.RMSNorm(SIZE, eps=1e-5)), ("layer", nn.LayerNorm(SIZE, eps=1e-5))])
def test_norm_equals_torchs(kind, theirs):
    ours = random_norm(kind)
    theirs = theirs.double()
    theirs.load_state_dict(ours.state_dict())
    assert torch.allclose(ours(X), theirs(X), atol=1e-12)


def test_dyt_equals_its_definition():
    norm = random_norm("dyt")
    expected = torch.stack([(norm.alpha * X[..., i]).tanh() * norm.weight[i] + norm.bias[i] for i in range(SIZE)], dim=-1)
    assert torch.allclose(norm(X), expected, atol=1e-12)


def test_l1_norm_divides_by_the_mean_magnitude():
    norm = L1Norm(SIZE).double()
    with torch.no_grad():
        norm.initialise()
    assert torch.allclose(norm(X).abs().mean(-1), torch.ones(4, 5, dtype=torch.float64), atol=1e-4)
    assert torch.allclose(norm(X), X * (norm(X)[..., :1] / X[..., :1]), atol=1e-10)
    assert torch.allclose(random_norm("l1")(X), norm(X) * random_norm("l1").weight)


@pytest.mark.parametrize("kind", NORMS)
def test_norm_has_the_parameters_it_costs_and_starts_plain(kind):
    norm = make_norm(kind, SIZE)
    assert sum(parameter.numel() for parameter in norm.parameters()) == norm_params(kind, SIZE)
    with torch.no_grad():
        norm.initialise()
    start = norm.state_dict()
    assert torch.equal(start.pop("weight"), torch.ones(SIZE))
    assert {name: tensor.unique().tolist() for name, tensor in start.items()} == {
        "rms": {}, "layer": {"bias": [0.0]}, "dyt": {"bias": [0.0], "alpha": [0.5]}, "l1": {}
    }[kind]  # fmt: skip


@pytest.mark.parametrize(("kind", "form"), [("rms", RMSNorm), ("layer", LayerNorm), ("dyt", DyT), ("l1", L1Norm)])
def test_every_norm_of_the_model_is_of_its_kind(kind, form):
    architecture = Architecture(d_model=16, core=(LAYER,), n_loops=2, loop=Loop(norm=True), injection="add", norm=kind)
    norms = [module for module in build(architecture).modules() if isinstance(module, Norm)]
    assert len(norms) == 6
    assert all(type(norm) is form for norm in norms)
