"""S4D, H3 and Hyena against their definitions, written out in float64 as products with matrices over time."""

import torch
from torch import Tensor
from torch.nn import functional as F

from search_spaces.primitives import Primitive
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.s4d import S4D
from workers.model.layers import Initialiser, Part, Pass, part

D, T = 8, 40


def started(config: Primitive) -> Part:
    """The layer as training starts it, in float64, with weights that are not small."""
    layer = part(config, D).double()
    with torch.no_grad():
        layer.initialise(Initialiser(torch.Generator().manual_seed(1), residual_scale=1.0, std=0.3))
    return layer


def inputs() -> Tensor:
    return torch.randn(2, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def outputs(layer: Part) -> Tensor:
    out: Tensor = layer(inputs(), Pass(torch.arange(T)))
    return out


def over_time(filter_DT: Tensor) -> Tensor:
    """The lower triangle [D, T, T] whose entry (t, j) is the filter at lag t - j."""
    matrix = torch.zeros(len(filter_DT), T, T, dtype=torch.float64)
    for t in range(T):
        matrix[:, t, : t + 1] = filter_DT[:, : t + 1].flip(-1)
    return matrix


def impulse_response(weights: dict[str, Tensor]) -> Tensor:
    """What the state spaces answer to a 1 followed by zeros: C A^l B by zero-order hold, and the skip at lag 0."""
    a = torch.complex(-weights["ssm.log_rate_DM"].exp(), weights["ssm.frequency_DM"])
    c = torch.complex(weights["ssm.c_DM2"][..., 0], weights["ssm.c_DM2"][..., 1])
    decay = (a * weights["ssm.log_step_D"].exp()[:, None]).exp()
    state, answers = (decay - 1) / a, []
    for _ in range(T):
        answers.append(2 * (c * state).sum(-1).real)
        state = decay * state
    response = torch.stack(answers, dim=-1)
    response[:, 0] += weights["ssm.skip_D"]
    return response


def causal_taps(x_BTD: Tensor, taps_DW: Tensor) -> Tensor:
    """Every channel's weighted sum of its last inputs; the last tap is for the newest."""
    taps = F.pad(taps_DW.flip(-1), (0, T - taps_DW.shape[-1]))
    return torch.einsum("dtj,bjd->btd", over_time(taps), x_BTD)


def test_s4d_equals_definition():
    layer = started(S4D(state_size=6))
    weights = layer.state_dict()
    y = torch.einsum("dtj,bjd->btd", over_time(impulse_response(weights)), inputs())
    value, gate = F.linear(F.gelu(y), weights["out_proj.weight"], weights["out_proj.bias"]).chunk(2, dim=-1)
    assert torch.allclose(outputs(layer), value * gate.sigmoid(), atol=1e-12)


def test_s4d_starts_with_the_published_frequencies():
    linear = started(S4D(state_size=8)).state_dict()["ssm.frequency_DM"][0]
    assert torch.allclose(linear / torch.pi, torch.arange(4).double())
    inverse = started(S4D(state_size=8, frequencies="inverse")).state_dict()["ssm.frequency_DM"][0]
    assert torch.allclose(inverse * torch.pi, torch.tensor([56.0, 40 / 3, 24 / 5, 8 / 7], dtype=torch.float64))


def test_h3_equals_definition():
    for head_dim in (1, 4):
        layer = started(H3(state_size=6, shift_width=3, head_dim=head_dim))
        weights = layer.state_dict()
        q, k, v = (inputs() @ weights["in_proj.weight"].T).chunk(3, dim=-1)
        k = causal_taps(k, weights["shift.weight"][:, 0])
        q, k, v = (x.unflatten(-1, (-1, head_dim)) for x in (q, k, v))
        # a head is linear attention whose scores are weighed by the state space's answer
        scores = torch.einsum("bthx,bjhx,htj->bhtj", q, k, over_time(impulse_response(weights)))
        read = torch.einsum("bhtj,bjhx->bthx", scores, v).flatten(2)
        assert torch.allclose(outputs(layer), read @ weights["out_proj.weight"].T, atol=1e-12)


def hyena_filters(weights: dict[str, Tensor], config: Hyena) -> Tensor:
    """[order D, T]: section 3.3 and appendix D of the paper."""
    lag = torch.arange(T, dtype=torch.float64)
    time, bands = lag / config.max_length, torch.arange(1, config.emb_dim // 2 + 1)
    angles = 2 * torch.pi * time[:, None] * bands
    hidden = torch.cat([time[:, None], angles.cos(), angles.sin()], dim=-1)
    for index in range(3):
        name = f"filters.layers.{index}"
        hidden = torch.sin(
            weights["filters.frequency_F"] * F.linear(hidden, weights[f"{name}.weight"], weights[f"{name}.bias"])
        )
    shares = torch.linspace(1 / 1.5, 1 / 0.3, D, dtype=torch.float64).repeat(config.order)
    window = 0.01 ** (shares[:, None] * time)
    filters = (hidden @ weights["filters.out.weight"].T).T * window
    filters[:, 0] += weights["filters.skip_D"]
    return filters


def test_hyena_equals_definition():
    for config in (Hyena(filter_order=6, max_length=T), Hyena(order=3, filter_order=5, emb_dim=7, max_length=10)):
        layer = started(config)
        weights = layer.state_dict()
        projected = causal_taps(inputs() @ weights["in_proj.weight"].T, weights["conv.weight"][:, 0]) + weights["conv.bias"]
        z, *gates = projected.chunk(config.order + 1, dim=-1)
        for gate, filter_DT in zip(gates, hyena_filters(weights, config).chunk(config.order), strict=True):
            z = gate * torch.einsum("dtj,bjd->btd", over_time(filter_DT), z)
        assert torch.allclose(outputs(layer), z @ weights["out_proj.weight"].T, atol=1e-10)
