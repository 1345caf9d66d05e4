"""The decays and the presets that no oracle covers, against the formulas of their papers."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.primitives.recurrence import gla, mamba2, retnet
from tests.search_spaces.examples import EXAMPLES
from workers.model.layers import Initialiser, Pass
from workers.model.layers.recurrence import RecurrenceLayer

D, T = 32, 40


def make_layer(config) -> RecurrenceLayer:
    layer = RecurrenceLayer(config, D).double()
    with torch.no_grad():
        layer.initialise(Initialiser(torch.Generator().manual_seed(0), residual_scale=1.0, std=0.3))
    return layer


def run(layer: RecurrenceLayer) -> tuple[Tensor, Tensor]:
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(1)).double()
    return x_BTD, layer(x_BTD, Pass(torch.arange(T)))


def heads_of(layer: RecurrenceLayer, x_BTD: Tensor, widths: list[int]) -> list[Tensor]:
    """The input projection in parts, as [B, H, T, size]."""
    parts = layer.in_proj(x_BTD).split(widths, dim=-1)
    return [part.unflatten(-1, (layer.config.n_heads, -1)).transpose(1, 2) for part in parts]


def turned(x_BHTK: Tensor) -> Tensor:
    """Each pair of channels as a complex number, times e^(i t theta)."""
    first, second = x_BHTK.chunk(2, dim=-1)
    theta = 10_000.0 ** -(torch.arange(first.shape[-1]) / first.shape[-1]).double()
    spun = torch.complex(first, second) * torch.exp(1j * torch.arange(T)[:, None] * theta)
    return torch.cat([spun.real, spun.imag], dim=-1)


def normed(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def test_retnet_equals_its_parallel_form():
    layer = make_layer(retnet(D, n_heads=4, key_dim=8, expand=2))
    x_BTD, found = run(layer)
    q, k, v, gate = heads_of(layer, x_BTD, [32, 32, 64, 64])
    gamma = 1 - torch.exp2(-5.0 - torch.arange(4.0)).double()
    distance = (torch.arange(T)[:, None] - torch.arange(T)).clamp(min=0)
    decay = torch.tril(gamma[:, None, None] ** distance)
    out = (turned(q) @ turned(k).mT / 8**0.5 * decay) @ v
    expected = layer.out_proj((normed(out) * F.silu(gate)).transpose(1, 2).flatten(2))
    assert torch.allclose(found, expected, atol=1e-5)


def test_gla_equals_its_parallel_form():
    layer = make_layer(gla(D, n_heads=4, key_dim=8, decay_rank=4))
    x_BTD, found = run(layer)
    q, k, v, gate = heads_of(layer, x_BTD, [32, 32, 32, 32])
    low_rank = x_BTD @ layer.get_parameter("decay.down.weight").mT
    logits = (low_rank @ layer.get_parameter("decay.up.weight").mT).unflatten(-1, (4, 8)).transpose(1, 2)
    kept = (logits.sigmoid() ** (1 / 16)).cumprod(dim=2)
    out = ((q * kept) @ (k / kept).mT / 8**0.5).tril() @ v
    expected = layer.out_proj((normed(out) * F.silu(gate)).transpose(1, 2).flatten(2))
    assert torch.allclose(found, expected, atol=1e-5)


def test_step_decay_starts_in_the_published_ranges():
    decay = make_layer(mamba2(256, n_heads=128, state_size=4)).decay
    log_decay, step = decay(torch.zeros(1, 1, D), torch.zeros(1, 1, 128))
    assert step.min() >= 1e-3 * 0.999
    assert step.max() <= 1e-1 * 1.001
    assert step.log10().mean().item() == pytest.approx(-2, abs=0.15)
    rate = -log_decay / step
    assert rate.min() >= 0.999
    assert rate.max() <= 16.001
    assert rate.mean().item() == pytest.approx(8.5, abs=1.2)


@pytest.mark.parametrize("name", ["gla", "gated_deltanet", "kda", "hgrn2", "lightning", "learned_keys", "mlstm"])
def test_decay_is_as_precise_as_the_model(name):
    layer = make_layer(EXAMPLES[name])
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(1)).double()
    raw_BTX = layer.in_proj(x_BTD)[..., : layer.config.decay_width]
    exact, _ = layer.decay(x_BTD, raw_BTX)
    assert exact.dtype == torch.float64
    rounded, _ = layer.bfloat16().decay(x_BTD.bfloat16(), raw_BTX.bfloat16())
    assert torch.allclose(rounded.double(), exact, rtol=0.1, atol=0.1)
