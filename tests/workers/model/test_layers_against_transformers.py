"""The torch layers against transformers' own, with copied weights: same inputs, same outputs to 1e-5."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Lfm2Config, Mamba2Config, MixtralConfig, Qwen3NextConfig
from transformers.models.lfm2.modeling_lfm2 import Lfm2ShortConv
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.qwen3_next.modeling_qwen3_next import (
    Qwen3NextGatedDeltaNet,
    torch_chunk_gated_delta_rule,
    torch_recurrent_gated_delta_rule,
)

from kernels.recurrence import recurrence
from search_spaces.primitives import Primitive
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence, gated_deltanet, mamba2
from search_spaces.primitives.short_conv import ShortConv
from workers.model.layers import Part, Pass, part

D = 32
T = 45


def randomised(module: nn.Module) -> Any:
    """The module with every parameter drawn anew, in evaluation mode."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + (parameter.dim() == 1))
    return module.eval()


def with_weights(config: Primitive, weights: dict[str, Tensor]) -> Part:
    """Our layer with those weights, none missing."""
    layer = part(config, D)
    layer.load_state_dict(weights)
    return layer.eval()


def assert_same(ours: Part, theirs: nn.Module) -> None:
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    expected = theirs(x_BTD)
    assert expected.abs().mean() > 0.05
    assert torch.allclose(ours(x_BTD, Pass(torch.arange(T))), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_mamba2_equals_transformers(groups):
    theirs = randomised(
        Mamba2Mixer(
            Mamba2Config(
                hidden_size=D, num_heads=4, head_dim=16, state_size=12, expand=2, n_groups=groups, conv_kernel=4,
                chunk_size=16, layer_norm_epsilon=1e-5, num_hidden_layers=1,
            ),
            layer_idx=0,
        )
    )  # fmt: skip
    config = mamba2(D, n_heads=4, state_size=12, n_groups=groups)
    keys = groups * 12
    # theirs: gate | values, keys, queries | steps; ours: queries, keys, values | gate | steps
    gate, value, key, query, step = theirs.in_proj.weight.split([64, 64, keys, keys, 4])
    order = torch.cat([torch.arange(64 + keys, 64 + 2 * keys), torch.arange(64, 64 + keys), torch.arange(64)])
    assert_same(
        with_weights(
            config,
            {
                "in_proj.weight": torch.cat([query, key, value, gate, step]),
                "conv.weight": theirs.conv1d.weight[order],
                "conv.bias": theirs.conv1d.bias[order],
                "decay.log_rate_H": theirs.A_log,
                "decay.step_bias_H": theirs.dt_bias,
                "skip_H": theirs.D,
                "norm.weight": theirs.norm.weight,
                "out_proj.weight": theirs.out_proj.weight,
            },
        ),
        theirs,
    )


@pytest.mark.parametrize("key_heads", [4, 2])
def test_gated_deltanet_equals_transformers(key_heads):
    heads, key_dim, value_dim = 4, 6, 8
    theirs = randomised(
        Qwen3NextGatedDeltaNet(
            Qwen3NextConfig(
                hidden_size=D, linear_num_key_heads=key_heads, linear_num_value_heads=heads,
                linear_key_head_dim=key_dim, linear_value_head_dim=value_dim, linear_conv_kernel_dim=4,
                rms_norm_eps=1e-5, num_hidden_layers=1, layer_types=["linear_attention"],
            ),
            layer_idx=0,
        )
    )  # fmt: skip
    preset = gated_deltanet(D, n_heads=heads, key_dim=key_dim)
    config = Recurrence.model_validate(preset.model_dump() | {"n_groups": key_heads})
    # theirs keeps, for each key head, its query, key, values and gates together; and likewise its betas and steps
    shared = heads // key_heads
    per_group = theirs.in_proj_qkvz.weight.unflatten(0, (key_heads, -1))
    q, k, v, z = (x.flatten(0, 1) for x in per_group.split([key_dim, key_dim, *2 * [shared * value_dim]], dim=1))
    beta, step = (x.flatten(0, 1) for x in theirs.in_proj_ba.weight.unflatten(0, (key_heads, -1)).split(shared, dim=1))
    assert_same(
        with_weights(
            config,
            {
                "in_proj.weight": torch.cat([q, k, v, z, step, beta]),
                "conv.weight": theirs.conv1d.weight,
                "decay.log_rate_H": theirs.A_log,
                "decay.step_bias_H": theirs.dt_bias,
                "norm.weight": theirs.norm.weight,
                "out_proj.weight": theirs.out_proj.weight,
            },
        ),
        theirs,
    )


@pytest.mark.parametrize("oracle", [torch_chunk_gated_delta_rule, torch_recurrent_gated_delta_rule])
def test_gated_delta_rule_equals_transformers(oracle):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 100, 3, 8, generator=generator) for _ in range(3))
    k = nn.functional.normalize(k, dim=-1)
    log_decay = -torch.rand(2, 100, 3, generator=generator)
    beta = torch.rand(2, 100, 3, generator=generator)
    state = torch.randn(2, 3, 8, 8, generator=generator)
    out, last = oracle(q, k, v, g=log_decay, beta=beta, initial_state=state, output_final_state=True)
    our_out, our_last = recurrence(q * 8**-0.5, k, v, log_decay, beta, state)
    assert torch.allclose(our_out, out, atol=1e-5)
    assert torch.allclose(our_last, last, atol=1e-5)


@pytest.mark.parametrize("width", [3, 5])
def test_short_conv_equals_transformers(width):
    lfm2 = Lfm2Config(hidden_size=D, conv_L_cache=width, num_hidden_layers=1, layer_types=["conv"])
    theirs = randomised(Lfm2ShortConv(lfm2, layer_idx=0))
    names = ("in_proj.weight", "conv.weight", "out_proj.weight")
    assert_same(with_weights(ShortConv(width=width), {name: theirs.get_parameter(name) for name in names}), theirs)


def test_moe_equals_transformers():
    mixtral = MixtralConfig(hidden_size=D, intermediate_size=24, num_local_experts=6, num_experts_per_tok=2)
    mixtral._experts_implementation = "eager"
    theirs = randomised(MixtralSparseMoeBlock(mixtral))
    ours = with_weights(
        MoE(n_experts=6, top_k=2, d_expert=24),
        {
            "router.weight": theirs.gate.weight,
            "w_in": theirs.experts.gate_up_proj.mT,
            "w_out": theirs.experts.down_proj.mT,
            "routing_bias": torch.zeros(6),
        },
    )
    assert_same(ours, theirs)
