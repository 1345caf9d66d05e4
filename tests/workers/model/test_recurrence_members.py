"""Members of the recurrence family that transformers does not have, as layers, against the formulas of their papers."""

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.primitives.recurrence import Recurrence, deltanet, hgrn2, linear_attention, mlstm, performer
from workers.model.layers import Initialiser, Pass
from workers.model.layers.recurrence import RecurrenceLayer

D, T, H = 32, 40, 4


def make_layer(config: Recurrence, std: float = 0.3) -> RecurrenceLayer:
    layer = RecurrenceLayer(config, D).double()
    with torch.no_grad():
        layer.initialise(Initialiser(torch.Generator().manual_seed(0), residual_scale=1.0, std=std))
    return layer


def run(layer: RecurrenceLayer) -> tuple[Tensor, Tensor]:
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(1)).double()
    return x_BTD, layer(x_BTD, Pass(torch.arange(T)))


def heads_of(x: Tensor, widths: list[int]) -> list[Tensor]:
    """The parts of a projection, as [B, H, T, size]."""
    return [part.unflatten(-1, (H, -1)).transpose(1, 2) for part in x.split(widths, dim=-1)]


def joined(x_BHTV: Tensor) -> Tensor:
    return x_BHTV.transpose(1, 2).flatten(2)


def normed(x: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()


def test_linear_attention_equals_its_weights():
    layer = make_layer(linear_attention(D, n_heads=H, key_dim=8))
    x_BTD, found = run(layer)
    q, k, v = heads_of(layer.in_proj(x_BTD), [32, 32, 32])
    weights = ((F.elu(q) + 1) @ (F.elu(k) + 1).mT).tril()
    assert torch.allclose(found, layer.out_proj(joined(weights / weights.sum(-1, keepdim=True) @ v)), rtol=1e-5, atol=1e-6)


def test_performer_nears_softmax_attention_with_more_features():
    errors = []
    for n_features in (8, 1024):
        layer = make_layer(performer(D, n_heads=H, key_dim=8, n_features=n_features), std=0.05)
        x_BTD, found = run(layer)
        q, k, v = heads_of(layer.in_proj(x_BTD), [32, 32, 32])
        expected = layer.out_proj(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
        errors.append(((found - expected).norm() / expected.norm()).item())
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 3


def test_performer_keeps_its_features_with_its_weights():
    layer, other = (make_layer(performer(D, n_heads=H, key_dim=8)) for _ in range(2))
    with torch.no_grad():
        other.initialise(Initialiser(torch.Generator().manual_seed(5), residual_scale=1.0))
    assert not torch.equal(layer.rows_MK, other.rows_MK)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(run(layer)[1], run(other)[1])
    assert "rows_MK" not in dict(layer.named_parameters())


def test_hgrn2_equals_its_parallel_form():
    layer = make_layer(hgrn2(D, n_heads=H, key_dim=8, decay_floor=0.4))
    x_BTD, found = run(layer)
    q, v, logits = heads_of(layer.in_proj(x_BTD), [32, 32, 32])
    bias = layer.get_parameter("decay.bias")
    forget = 0.4 + 0.6 * (logits + bias[:, None]).sigmoid()
    kept = forget.cumprod(dim=2)
    out = ((F.silu(q) * kept) @ ((1 - forget) / kept).mT / 8**0.5).tril() @ v
    expected = layer.out_proj(normed(joined(out)) * layer.get_parameter("norm.weight"))
    assert forget.min() >= 0.4
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_mlstm_equals_its_parallel_form():
    layer = make_layer(mlstm(D, n_heads=H, key_dim=8))
    x_BTD, found = run(layer)
    parts = layer.in_proj(x_BTD).split([96, 32, H, H], dim=-1)
    q, k, v = heads_of(parts[0], [32, 32, 32])
    forget = F.logsigmoid(parts[2] + layer.get_parameter("decay.bias")).transpose(1, 2)
    sums = forget.cumsum(-1)
    exponents = sums[..., :, None] - sums[..., None, :] + parts[3].transpose(1, 2)[..., None, :]
    weights = (q @ k.mT / 8**0.5) * exponents.exp().tril()
    out = (weights / weights.sum(-1, keepdim=True).abs().clamp_min(1)) @ v
    normalised = joined(F.layer_norm(out, out.shape[-1:])) * parts[1].sigmoid()
    assert torch.allclose(found, layer.out_proj(normalised), rtol=1e-5, atol=1e-5)


def test_deltanet_with_strength_2_turns_a_value_over():
    """Writing v under a unit key with beta 2 where v is already there leaves 2 v - v; where -v is, 3 v."""
    config = deltanet(D, n_heads=H, key_dim=8, beta_scale=2)
    strong, weak = make_layer(config), make_layer(config.model_copy(update={"beta_scale": 1}))
    weak.load_state_dict(strong.state_dict())
    with torch.no_grad():
        for layer in (strong, weak):
            layer.in_proj.weight[-H:] = 0  # beta is half its scale: 1 and 0.5
    first = torch.randn(1, 1, D, generator=torch.Generator().manual_seed(1)).double()
    shared = Pass(torch.zeros(1))
    states = [layer.extend(first, layer.initial_state(1), shared)[1][0] for layer in (strong, weak)]
    assert torch.allclose(states[0], 2 * states[1])


def test_token_shift_mixes_in_the_token_before():
    config = linear_attention(D, n_heads=H, key_dim=8).model_copy(update={"token_shift": True})
    layer, plain = make_layer(config), make_layer(linear_attention(D, n_heads=H, key_dim=8))
    weights = layer.state_dict()
    share = weights.pop("shift.share_D")
    plain.load_state_dict(weights)
    x_BTD, found = run(layer)
    before = F.pad(x_BTD, (0, 0, 1, 0))[:, :-1]
    mixed = (1 - share) * x_BTD + share * before
    assert torch.allclose(found, plain(mixed, Pass(torch.arange(T))), atol=1e-12)
