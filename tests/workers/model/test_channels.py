"""What is special about channel parts: neurons and experts that are left out, dropped choices, experts that do nothing."""

import torch
import torch.nn.functional as F

from kernels.quota import quota
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.swiglu import SwiGLU
from workers.model.layers import Initialiser, Pass, part

D, T = 12, 30


def layer_of(config):
    layer = part(config, D)
    with torch.no_grad():
        layer.initialise(Initialiser(torch.Generator().manual_seed(0), 1.0, std=0.5))
    return layer.double().eval()


def inputs():
    return torch.randn(2, T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def run(layer, x, valid=None):
    return layer(x, Pass(torch.arange(x.shape[1]), valid_BT=valid))


def test_gated_top_k_uses_the_neurons_with_the_largest_gates():
    layer, x = layer_of(SwiGLU(d_ff=20, n_active=3)), inputs()
    gate, up = layer.in_proj(x).chunk(2, -1)
    hidden = F.silu(gate)
    threshold = hidden.abs().sort(-1, descending=True).values[..., 2:3]
    expected = layer.out_proj(hidden * (hidden.abs() >= threshold) * up)
    assert torch.allclose(run(layer, x), expected, atol=1e-12)


def test_relu2_sub_norm_normalises_the_hidden_vector():
    layer, x = layer_of(ReLU2(d_ff=20, sub_norm=True)), inputs()
    hidden = F.relu(layer.in_proj(x)) ** 2
    expected = layer.out_proj(hidden / (hidden.square().mean(-1, keepdim=True) + 1e-5).sqrt())
    assert torch.allclose(run(layer, x), expected, atol=1e-12)


def expert(layer, index, x):
    gate, up = (x @ layer.w_in[index]).chunk(2, -1)
    return (F.silu(gate) * up) @ layer.w_out[index]


def test_switch_weighs_by_probability_and_drops_what_exceeds_the_capacity():
    layer, x = layer_of(MoE(n_experts=3, top_k=1, d_expert=8, normalise=False, capacity=1.0)), inputs()
    found, expected, n_dropped = run(layer, x), torch.zeros_like(x), 0
    for row in range(2):
        taken = [0, 0, 0]
        for t in range(T):
            probabilities = layer.router(x[row, t]).softmax(-1)
            chosen = int(probabilities.argmax())
            if taken[chosen] < quota(1 / 3, torch.tensor(t + 1)):
                taken[chosen] += 1
                expected[row, t] = probabilities[chosen] * expert(layer, chosen, x[row, t])
            else:
                n_dropped += 1
    assert n_dropped > 3
    assert torch.allclose(found, expected, atol=1e-6)


def test_zero_experts_return_their_input_and_have_no_capacity():
    layer, x = layer_of(MoE(n_experts=2, top_k=2, d_expert=8, n_zero=2, scale=1.5)), inputs()
    logits = layer.router(x)
    top, chosen = logits.topk(2, -1)
    weights = 1.5 * top.softmax(-1)
    outputs = torch.stack([expert(layer, 0, x), expert(layer, 1, x), x, x], dim=2)
    expected = (weights[..., None] * outputs.gather(2, chosen[..., None].expand(-1, -1, -1, D))).sum(2)
    assert (chosen >= 2).any()
    assert torch.allclose(run(layer, x), expected, atol=1e-6)


def test_routers_leave_fillers_out_of_their_counts():
    layer, x = layer_of(MoE(n_experts=4, top_k=2, d_expert=8)), inputs()
    valid = torch.zeros(2, T, dtype=torch.bool)
    valid[:, :11] = True
    some, all_of_them = Pass(torch.arange(T), valid_BT=valid), Pass(torch.arange(11))
    layer(x, some)
    layer(x[:, :11].contiguous(), all_of_them)
    assert torch.allclose(some.losses[0], all_of_them.losses[0])


def test_routing_biases_follow_the_loads_of_valid_tokens():
    layer, x = layer_of(MoE(n_experts=4, top_k=1, d_expert=8, balance="bias", balance_rate=0.5)).train(), inputs()
    run(layer, x, valid=torch.zeros(2, T, dtype=torch.bool))
    layer.update_routing_bias()
    assert not layer.routing_bias.any()
    run(layer, x)
    loads = layer.loads.clone()
    assert loads.sum() == 2 * T
    layer.update_routing_bias()
    assert torch.equal(layer.routing_bias, 0.5 * (loads.mean() - loads).sign())
