"""Multi-head latent attention against DeepSeek-V3's and Kimi-Linear's, through the weight mapping and back."""

import pytest
import torch
from transformers import DeepseekV3Config, KimiLinearConfig
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention, DeepseekV3RotaryEmbedding
from transformers.models.kimi_linear.modeling_kimi_linear import KimiLinearAttention

from nas.export.huggingface.deepseek_v3 import mla_rules
from nas.export.huggingface.rules import from_transformers
from search_spaces.primitives.mla import MLA
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, randomised, weights_of
from workers.model.layers import Pass, part
from workers.model.layers.norm import EPS

D, T = 32, 37
SIZES = {
    "hidden_size": D, "num_attention_heads": 4, "num_key_value_heads": 4, "kv_lora_rank": 12, "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 8, "v_head_dim": 10, "num_hidden_layers": 1, "attn_implementation": "eager",
}  # fmt: skip


def mla(**fields):
    return MLA(n_heads=4, kv_rank=12, nope_dim=6, rope_dim=8, value_dim=10, **fields)


def with_our_epsilon(module):
    for norm in (module.q_a_layernorm, module.kv_a_layernorm):
        if norm is not None:
            norm.variance_epsilon = EPS  # theirs is fixed at 1e-6
    return randomised(module)


def assert_same(config, theirs, **their_arguments):
    rules, weights = mla_rules(config), weights_of(theirs)
    layer = load(part(config, D), from_transformers(rules, weights))
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    mask_TT = torch.full((T, T), float("-inf")).triu(1)
    with torch.no_grad():
        expected = theirs(x_BTD, attention_mask=mask_TT[None, None], **their_arguments)[0]
        assert_equal(layer(x_BTD, Pass(torch.arange(T))), expected)
    assert_way_back(rules, weights)


@pytest.mark.parametrize("q_rank", [None, 10])
def test_rotary_mla_equals_deepseek_v3(q_rank):
    their_config = DeepseekV3Config(**SIZES, q_lora_rank=q_rank)
    theirs = with_our_epsilon(DeepseekV3Attention(their_config, layer_idx=0))
    rotations = DeepseekV3RotaryEmbedding(their_config)(torch.zeros(1), torch.arange(T)[None])
    assert_same(mla(q_rank=q_rank), theirs, position_embeddings=rotations)


@pytest.mark.parametrize("q_rank", [None, 10])
def test_mla_without_positions_equals_kimi_linear(q_rank):
    their_config = KimiLinearConfig(**SIZES, q_lora_rank=q_rank, layer_types=["full_attention"])
    assert_same(mla(q_rank=q_rank, rope=False), with_our_epsilon(KimiLinearAttention(their_config, layer_idx=0)))
