"""Feed-forward parts, dense and with experts, against those of transformers, through the weight mappings, both ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    DeepseekV3Config,
    GraniteMoeHybridConfig,
    JambaConfig,
    KimiLinearConfig,
    Lfm2Config,
    LlamaConfig,
    LongcatFlashConfig,
    MiniMaxConfig,
    MixtralConfig,
    NemotronHConfig,
    Qwen3NextConfig,
    RecurrentGemmaConfig,
    SwitchTransformersConfig,
)
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.granitemoehybrid.modeling_granitemoehybrid import GraniteMoeHybridMLP, GraniteMoeHybridMoE
from transformers.models.jamba.modeling_jamba import JambaSparseMoeBlock
from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearMoE
from transformers.models.lfm2.modeling_lfm2 import Lfm2MLP
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.longcat_flash.modeling_longcat_flash import LongcatFlashMoE
from transformers.models.minimax.modeling_minimax import MiniMaxSparseMoeBlock
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock
from transformers.models.nemotron_h.modeling_nemotron_h import NemotronHMLP
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextSparseMoeBlock
from transformers.models.recurrent_gemma.modeling_recurrent_gemma import RecurrentGemmaMlp
from transformers.models.switch_transformers.modeling_switch_transformers import SwitchTransformersTop1Router

from kernels.routing import choose_by_softmax
from nas.export.huggingface import (
    deepseek_v3,
    granitemoehybrid,
    jamba,
    kimi_linear,
    lfm2,
    llama,
    longcat_flash,
    minimax,
    mixtral,
    nemotron_h,
    qwen3_next,
    recurrent_gemma,
)
from nas.export.huggingface.rules import Rules, from_transformers, to_transformers
from search_spaces.primitives import Channel
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.swiglu import SwiGLU
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised, weights_of
from workers.model.layers import Pass, part

D, T = 32, 45
WIDTHS = {
    "hidden_size": D, "intermediate_size": 24, "moe_intermediate_size": 24, "num_experts_per_tok": 2, "pad_token_id": None,
    "experts_implementation": "eager", "num_hidden_layers": 1,
}  # fmt: skip
GRANITE = WIDTHS | {"mamba_n_heads": 4, "mamba_d_head": 16}
GROUPS = {"n_group": 1, "topk_group": 1, "n_shared_experts": 2}


class GraniteExperts(nn.Module):
    """What is in the layer itself there: experts beside a shared one."""

    def __init__(self) -> None:
        super().__init__()
        config = GraniteMoeHybridConfig(**GRANITE, num_local_experts=6, shared_intermediate_size=48)
        self.block_sparse_moe, self.shared_mlp = GraniteMoeHybridMoE(config), GraniteMoeHybridMLP(config)

    def forward(self, x):
        return self.block_sparse_moe(x) + self.shared_mlp(x)


class GraniteDense(nn.Module):
    """The shared one alone."""

    def __init__(self) -> None:
        super().__init__()
        self.shared_mlp = GraniteMoeHybridMLP(GraniteMoeHybridConfig(**GRANITE, shared_intermediate_size=24))

    def forward(self, x):
        return self.shared_mlp(x)


def longcat() -> Any:
    config = LongcatFlashConfig(
        hidden_size=D, expert_ffn_hidden_size=24, n_routed_experts=4, zero_expert_num=2, zero_expert_type="identity",
        moe_topk=2, routed_scaling_factor=1.5, num_layers=1,
    )  # fmt: skip
    return LongcatFlashMoE(config)


@dataclass(frozen=True)
class Case:
    theirs: Callable[[], nn.Module]
    rules: Callable[[Any], Rules]
    ours: Channel


DENSE = SwiGLU(d_ff=24)
EXPERTS = MoE(n_experts=6, top_k=2, d_expert=24)
SHARED = MoE(n_experts=6, top_k=2, d_expert=24, n_shared=2)
BIASED = MoE(n_experts=6, top_k=2, d_expert=24, n_shared=2, balance="bias")
SCALED = BIASED.model_copy(update={"normalise": True, "scale": 2.5})
CASES = {
    "llama": Case(lambda: LlamaMLP(LlamaConfig(**WIDTHS)), llama.channel_rules, DENSE),
    "lfm2": Case(lambda: Lfm2MLP(Lfm2Config(**WIDTHS, block_auto_adjust_ff_dim=False)), lfm2.channel_rules, DENSE),
    "nemotron_h": Case(lambda: NemotronHMLP(NemotronHConfig(**WIDTHS)), nemotron_h.channel_rules, ReLU2(d_ff=24)),
    "recurrent_gemma": Case(
        lambda: RecurrentGemmaMlp(RecurrentGemmaConfig(**WIDTHS | {"intermediate_size": 48})),
        recurrent_gemma.channel_rules, SwiGLU(d_ff=24, activation="gelu"),
    ),
    "mixtral": Case(
        lambda: MixtralSparseMoeBlock(MixtralConfig(**WIDTHS, num_local_experts=6)), mixtral.channel_rules, EXPERTS
    ),
    "minimax": Case(
        lambda: MiniMaxSparseMoeBlock(MiniMaxConfig(**WIDTHS, num_local_experts=6)), minimax.channel_rules, EXPERTS
    ),
    "jamba": Case(
        lambda: JambaSparseMoeBlock(JambaConfig(**WIDTHS, num_experts=6)), jamba.moe_rules,
        EXPERTS.model_copy(update={"normalise": False}),
    ),
    "granitemoehybrid": Case(GraniteExperts, granitemoehybrid.moe_rules, SHARED),
    "granitemoehybrid_dense": Case(GraniteDense, granitemoehybrid.channel_rules, DENSE),
    "qwen3_next": Case(
        lambda: Qwen3NextSparseMoeBlock(Qwen3NextConfig(**WIDTHS, num_experts=6, shared_expert_intermediate_size=48)),
        qwen3_next.moe_rules, SHARED.model_copy(update={"shared_gate": True}),
    ),
    "deepseek_v3": Case(
        lambda: DeepseekV3MoE(
            DeepseekV3Config(**WIDTHS, **GROUPS, n_routed_experts=6, norm_topk_prob=True, routed_scaling_factor=2.5)
        ),
        deepseek_v3.moe_rules, SCALED,
    ),
    "kimi_linear": Case(
        lambda: KimiLinearMoE(
            KimiLinearConfig(**WIDTHS, **GROUPS, num_local_experts=6, norm_topk_prob=False, routed_scaling_factor=1.0)
        ),
        kimi_linear.moe_rules, BIASED,
    ),
    "longcat_flash": Case(
        longcat, longcat_flash.moe_rules,
        MoE(n_experts=4, top_k=2, d_expert=24, n_zero=2, normalise=False, scale=1.5),
    ),
}  # fmt: skip


def inputs() -> torch.Tensor:
    return torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))


def prepared(name: str) -> nn.Module:
    """Random weights; biases on the choice that change it; nothing where ours has nothing."""
    theirs = randomised(CASES[name].theirs())
    with torch.no_grad():
        for key, tensor in theirs.state_dict().items():
            if "e_score_correction_bias" in key and name != "longcat_flash":
                tensor.copy_(torch.linspace(-0.4, 0.4, len(tensor)))
            elif key.endswith("_proj.bias"):
                tensor.zero_()
            elif name == "longcat_flash" and key == "experts.gate_up_proj":
                tensor[4:] = 0
    return theirs


@pytest.mark.parametrize("name", CASES)
def test_channel_equals_transformers(name):
    theirs, ours = prepared(name), CASES[name].ours
    rules, weights = CASES[name].rules(ours), weights_of(theirs)
    layer = load(part(ours, D), from_transformers(rules, weights))
    with torch.no_grad():
        assert_equal(layer(inputs(), Pass(torch.arange(T))), theirs(inputs()))
    assert_way_back(rules, weights)


def test_routing_equals_switch_where_no_expert_is_full():
    config = SwitchTransformersConfig(d_model=D, num_experts=4, expert_capacity=T)
    router = randomised(SwitchTransformersTop1Router(config))
    with torch.no_grad():
        chosen_BTE, weights_BT1, logits_BTE = router(inputs())
    weights_NK, experts_NK = choose_by_softmax(logits_BTE.flatten(0, 1), 1, normalise=False)
    assert torch.equal(experts_NK[:, 0], chosen_BTE.flatten(0, 1).argmax(-1))
    assert_equal(weights_NK, weights_BT1.flatten(0, 1))


@pytest.mark.parametrize(
    ("rules", "config", "reason"),
    [
        (mixtral.channel_rules, BIASED, "n_shared 2: transformers' mixtral only has 0"),
        (mixtral.channel_rules, MoE(n_experts=4, top_k=2, d_expert=8, balance="bias"), "balance 'bias'"),
        (mixtral.channel_rules, CASES["jamba"].ours, "normalise False: transformers' mixtral always has True"),
        (jamba.moe_rules, EXPERTS, "normalise True: transformers' jamba always has False"),
        (deepseek_v3.moe_rules, EXPERTS, "balance 'loss': transformers' deepseek_v3 always has 'bias'"),
        (deepseek_v3.moe_rules, BIASED.model_copy(update={"n_shared": 0}), "n_shared must be at least 1"),
        (granitemoehybrid.moe_rules, EXPERTS, "n_shared must be at least 1"),
        (qwen3_next.moe_rules, EXPERTS, "n_shared must be at least 1"),
        (llama.channel_rules, SwiGLU(d_ff=24, activation="gelu"), "activation 'gelu': transformers' llama only has 'silu'"),
        (nemotron_h.channel_rules, ReLU2(d_ff=24, n_active=4), "n_active 4"),
    ],
)  # fmt: skip
def test_family_refuses_channels_it_does_not_have(rules, config, reason):
    with pytest.raises(ValueError, match=reason):
        rules(config)


def test_what_the_other_side_lacks_must_be_zero():
    chosen = CASES["longcat_flash"]
    rules, weights = chosen.rules(chosen.ours), weights_of(prepared("longcat_flash"))
    weights["router.e_score_correction_bias"] = weights["router.e_score_correction_bias"] + 1
    with pytest.raises(ValueError, match="e_score_correction_bias is not zero"):
        from_transformers(rules, weights)
    ours = weights_of(part(EXPERTS, D)) | {"routing_bias": torch.ones(6).numpy()}
    with pytest.raises(ValueError, match="routing_bias is not zero"):
        to_transformers(mixtral.channel_rules(EXPERTS), ours)


def test_gate_of_shared_experts_that_ours_has_not_is_refused():
    *_, rule = qwen3_next.moe_rules(SHARED)
    weights, gate = np.ones((8, 4), np.float32), np.zeros((1, 8), np.float32)
    assert np.array_equal(rule.join([weights, gate]), weights / 2)
    with pytest.raises(ValueError, match="is not zero, and ours has no gate"):
        rule.join([weights, gate + 1])
