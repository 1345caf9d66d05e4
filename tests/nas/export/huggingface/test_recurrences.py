"""Linear mixers against transformers' mamba2, granitemoehybrid, qwen3_next, kimi_linear and minimax, through the weight
mappings, both ways.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import GraniteMoeHybridConfig, Mamba2Config, MiniMaxConfig, Qwen3NextConfig
from transformers.models.granitemoehybrid.modeling_granitemoehybrid import GraniteMoeHybridMambaLayer
from transformers.models.kimi_linear.configuration_kimi_linear import KimiLinearConfig
from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearDeltaAttention
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
from transformers.models.minimax.modeling_minimax import MiniMaxLightningAttention
from transformers.models.qwen3_next.modeling_qwen3_next import (
    Qwen3NextGatedDeltaNet,
    torch_chunk_gated_delta_rule,
    torch_recurrent_gated_delta_rule,
)

from kernels.recurrence import recurrence
from nas.export.huggingface import granitemoehybrid, kimi_linear, mamba2, minimax, qwen3_next
from nas.export.huggingface.rules import Rule, from_transformers
from search_spaces.primitives import CostContext
from search_spaces.primitives.recurrence import Recurrence, deltanet, gated_deltanet, kda, lightning
from search_spaces.primitives.recurrence import mamba2 as mamba2_preset
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised
from workers.model.layers import Initialiser, Pass, part

D, T = 32, 70


@dataclass(frozen=True)
class Case:
    """A mixer of transformers, our config of it, and the rules between them."""

    theirs: Callable[[], nn.Module]
    ours: Recurrence
    rules: Callable[[Recurrence], Sequence[Rule]]


def mamba2_mixer(groups: int) -> Any:
    config = Mamba2Config(
        hidden_size=D, num_heads=4, head_dim=16, state_size=12, expand=2, n_groups=groups, conv_kernel=4, chunk_size=16,
        layer_norm_epsilon=1e-5, num_hidden_layers=1,
    )  # fmt: skip
    return Mamba2Mixer(config, layer_idx=0)


def granite_mixer(groups: int) -> Any:
    config = GraniteMoeHybridConfig(
        hidden_size=D, num_attention_heads=4, mamba_n_heads=4, mamba_d_head=16, mamba_d_state=12, mamba_expand=2,
        mamba_n_groups=groups, mamba_d_conv=4, mamba_chunk_size=16, rms_norm_eps=1e-5, num_hidden_layers=1,
        layer_types=["linear_attention"],
    )  # fmt: skip
    return GraniteMoeHybridMambaLayer(config, layer_idx=0)


def qwen3_next_mixer(groups: int) -> Any:
    config = Qwen3NextConfig(
        hidden_size=D, linear_num_key_heads=groups, linear_num_value_heads=4, linear_key_head_dim=6,
        linear_value_head_dim=8, linear_conv_kernel_dim=4, rms_norm_eps=1e-5, num_hidden_layers=1,
        layer_types=["linear_attention"],
    )  # fmt: skip
    return Qwen3NextGatedDeltaNet(config, layer_idx=0)


def kimi_mixer() -> Any:
    config = KimiLinearConfig(
        hidden_size=D, linear_head_dim=8, linear_num_heads=4, linear_conv_kernel_dim=3, rms_norm_eps=1e-5,
        num_hidden_layers=1, layer_types=["linear_attention"],
    )  # fmt: skip
    return KimiLinearDeltaAttention(config, layer_idx=0)


class Lightning(nn.Module):
    """Theirs with the arguments that it does not use, and the epsilon that every other norm of its model has."""

    def __init__(self, layer: int) -> None:
        super().__init__()
        config = MiniMaxConfig(
            hidden_size=D, num_attention_heads=4, head_dim=6, block_size=16, num_hidden_layers=3,
            layer_types=3 * ["linear_attention"],
        )  # fmt: skip
        self.inner = MiniMaxLightningAttention(config, layer_idx=layer)
        self.inner.norm.variance_epsilon = 1e-5

    def forward(self, x_BTD: Tensor) -> Any:
        return self.inner(x_BTD, position_embeddings=None, attention_mask=None)[0]


def mamba2_of(groups: int) -> Recurrence:
    return mamba2_preset(D, n_heads=4, state_size=12, n_groups=groups)


def gdn_of(groups: int) -> Recurrence:
    return gated_deltanet(D, n_heads=4, key_dim=6, n_groups=groups)


def lightning_of(layer: int) -> Recurrence:
    return lightning(D, n_heads=4, head_dim=6, decay_scale=minimax.decay_scale(layer, 3))


CASES = {
    f"{mixer.__name__}_{number}": Case(partial(mixer, number), config(number), rules)
    for mixer, config, rules, numbers in (
        (mamba2_mixer, mamba2_of, mamba2.mixer_rules, (1, 2)),
        (granite_mixer, mamba2_of, granitemoehybrid.mixer_rules, (1, 4)),
        (qwen3_next_mixer, gdn_of, qwen3_next.linear_attention_rules, (4, 2)),
        (Lightning, lightning_of, minimax.linear_attention_rules, (0, 2)),
    )
    for number in numbers
} | {"kimi_linear": Case(kimi_mixer, kda(D, n_heads=4, key_dim=8, conv_width=3), kimi_linear.linear_attention_rules)}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_case
def test_linear_mixer_equals_transformers(case):
    theirs = randomised(case.theirs())
    weights = {name.removeprefix("inner."): parameter.detach().numpy() for name, parameter in theirs.named_parameters()}
    rules, ours = case.rules(case.ours), part(case.ours, D)
    with torch.no_grad():
        ours.initialise(Initialiser(None, residual_scale=1.0))
        load(ours, from_transformers(rules, weights))
        x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
        assert_equal(ours(x_BTD, Pass(torch.arange(T))), theirs(x_BTD))
    assert_way_back(rules, weights)
    assert sum(array.size for array in weights.values()) == case.ours.cost(D, CostContext(context_length=1)).params


@pytest.mark.parametrize(
    ("rules", "config", "reason"),
    [
        (mamba2.mixer_rules, kda(D, n_heads=4, key_dim=8), "holds mamba2 only"),
        (granitemoehybrid.mixer_rules, mamba2_of(1).model_copy(update={"skip": False}), "holds mamba2"),
        (qwen3_next.linear_attention_rules, deltanet(D, n_heads=4, key_dim=8), "holds gdn only"),
        (qwen3_next.linear_attention_rules, gated_deltanet(D, n_heads=4, key_dim=8, beta_scale=2), "beta_scale must be 1"),
        (kimi_linear.linear_attention_rules, kda(D, n_heads=4, key_dim=6), "value_dim must be 6"),
        (kimi_linear.linear_attention_rules, kda(D, n_heads=4, key_dim=8, rank=3), "decay_rank must be 8"),
        (minimax.linear_attention_rules, lightning(D, n_heads=4).model_copy(update={"n_groups": 2}), "n_groups must be 4"),
    ],
)  # fmt: skip
def test_family_refuses_what_it_cannot_hold(rules, config, reason):
    with pytest.raises(ValueError, match=reason):
        rules(config)


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
