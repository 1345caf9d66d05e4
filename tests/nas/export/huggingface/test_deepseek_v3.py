"""Multi-head latent attention against DeepSeek-V3's and Kimi-Linear's, through the weight mapping and back."""

import numpy as np
import pytest
import torch
from transformers import DeepseekV3Config, KimiLinearConfig
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention, DeepseekV3RotaryEmbedding
from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearAttention

from nas.export.huggingface.deepseek_v3 import mla_rules
from nas.export.huggingface.rules import from_transformers, to_transformers
from search_spaces.primitives.mla import MLA
from workers.model.layers import Pass, part
from workers.model.layers.norm import EPS

D, T = 32, 37
SIZES = {
    "hidden_size": D, "num_attention_heads": 4, "num_key_value_heads": 4, "kv_lora_rank": 12, "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 8, "v_head_dim": 10, "num_hidden_layers": 1, "attn_implementation": "eager",
}  # fmt: skip


def mla(**fields):
    return MLA(n_heads=4, kv_rank=12, nope_dim=6, rope_dim=8, value_dim=10, **fields)


def randomised(module):
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + (parameter.dim() == 1))
    for norm in (module.q_a_layernorm, module.kv_a_layernorm):
        if norm is not None:
            norm.variance_epsilon = EPS  # theirs is fixed at 1e-6
    return module.eval()


def tensors_of(module):
    return {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}


def assert_same(config, theirs, **their_arguments):
    rules = mla_rules(config)
    weights = tensors_of(theirs)
    ours = from_transformers(rules, weights)
    back = to_transformers(rules, ours)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    layer = part(config, D)
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in ours.items()})
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    mask_TT = torch.full((T, T), float("-inf")).triu(1)
    with torch.no_grad():
        expected = theirs(x_BTD, attention_mask=mask_TT[None, None], **their_arguments)[0]
        actual = layer.eval()(x_BTD, Pass(torch.arange(T)))
    assert expected.abs().mean() > 0.05
    assert torch.allclose(actual, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("q_rank", [None, 10])
def test_rotary_mla_equals_deepseek_v3(q_rank):
    their_config = DeepseekV3Config(**SIZES, q_lora_rank=q_rank)
    theirs = randomised(DeepseekV3Attention(their_config, layer_idx=0))
    rotations = DeepseekV3RotaryEmbedding(their_config)(torch.zeros(1), torch.arange(T)[None])
    assert_same(mla(q_rank=q_rank), theirs, position_embeddings=rotations)


@pytest.mark.parametrize("q_rank", [None, 10])
def test_mla_without_positions_equals_kimi_linear(q_rank):
    their_config = KimiLinearConfig(**SIZES, q_lora_rank=q_rank, layer_types=["full_attention"])
    assert_same(mla(q_rank=q_rank, rope=False), randomised(KimiLinearAttention(their_config, layer_idx=0)))
