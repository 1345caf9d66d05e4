"""Whole models and attention layers against transformers' llama, mistral, qwen3, qwen3_next, gpt_oss, gemma2 and bitnet."""

import pytest
import torch
from torch import nn
from transformers import (
    BitNetConfig,
    Gemma2Config,
    GptOssConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3NextConfig,
)
from transformers.models.bitnet.modeling_bitnet import BitNetAttention, BitNetRotaryEmbedding
from transformers.models.gemma2.modeling_gemma2 import Gemma2Attention, Gemma2RotaryEmbedding
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssAttention, GptOssRotaryEmbedding
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextAttention, Qwen3NextRotaryEmbedding

from nas.export.huggingface import gpt_oss, llama, mistral, qwen3, qwen3_next
from nas.export.huggingface.rules import from_transformers, same, to_transformers
from search_spaces.architecture import Architecture, ContinuousInput, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from workers.model import build
from workers.model.layers import Pass, part

D, T, V = 32, 45, 50
SIZES = {"hidden_size": D, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "rms_norm_eps": 1e-5}
MODEL = SIZES | {"vocab_size": V, "intermediate_size": 48, "num_hidden_layers": 2}
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}
HEADS = Attention(n_heads=4, n_kv_heads=2, head_dim=8)


def randomised(module: nn.Module) -> nn.Module:
    """Every parameter drawn anew, norms near 1."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + ("norm" in name))
    return module.eval()


def arrays(module: nn.Module) -> dict[str, object]:
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def load(module: nn.Module, weights: dict[str, object]) -> nn.Module:
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return module.eval()


def architecture(*mixers: Attention, tied: bool = False) -> Architecture:
    layers = tuple(Layer(mixers=(mixer,), channel=SwiGLU(d_ff=48)) for mixer in mixers)
    return Architecture(d_model=D, input=TokenInput(vocab_size=V, tie_embeddings=tied), core=layers)


WINDOW, NORMED = Attention(**HEADS.model_dump() | {"window": 6}), Attention(**HEADS.model_dump() | {"qk_norm": True})
NORMED_WINDOW = Attention(**NORMED.model_dump() | {"window": 6})
SLIDING = {"use_sliding_window": True, "sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
MODELS = {
    "llama": (llama, LlamaForCausalLM(LlamaConfig(**MODEL)), architecture(HEADS, HEADS)),
    "llama_tied": (
        llama,
        LlamaForCausalLM(LlamaConfig(**MODEL, tie_word_embeddings=True)),
        architecture(HEADS, HEADS, tied=True),
    ),
    "mistral": (mistral, MistralForCausalLM(MistralConfig(**MODEL, sliding_window=6)), architecture(WINDOW, WINDOW)),
    "qwen3": (qwen3, Qwen3ForCausalLM(Qwen3Config(**MODEL, **SLIDING)), architecture(NORMED_WINDOW, NORMED)),
}


@pytest.mark.parametrize("name", MODELS)
def test_model_equals_transformers(name):
    family, theirs, config = MODELS[name]
    rules = family.rules(config)
    weights = arrays(randomised(theirs))
    if config.input.tie_embeddings:
        del weights["lm_head.weight"]
    ours = load(build(config), from_transformers(rules, weights))
    tokens = torch.arange(2 * T).view(2, T) * 7 % V
    expected = theirs(tokens).logits
    assert (ours(tokens).logits_BTV - expected).abs().max() <= 1e-5 * expected.abs().max()
    back = to_transformers(rules, arrays(ours))
    assert back.keys() == weights.keys()
    assert all((back[key] == weights[key]).all() for key in weights)


def causal_mask(window=T):
    return torch.tensor([[[[0.0 if 0 <= t - j < window else float("-inf") for j in range(T)] for t in range(T)]]])


def layer_case(name):
    """Their attention, its rotary embedding, our config, the rules, and the window."""
    if name == "qwen3_next":
        config = Qwen3NextConfig(**SIZES, num_hidden_layers=1, partial_rotary_factor=0.25, layer_types=["full_attention"])
        ours = Attention(n_heads=4, n_kv_heads=2, head_dim=8, qk_norm=True, output_gate=True, rotary_fraction=0.25)
        return Qwen3NextAttention, Qwen3NextRotaryEmbedding, config, ours, qwen3_next.attention_rules(ours), T
    if name == "gpt_oss":
        config = GptOssConfig(
            **SIZES, attention_bias=False, rope_parameters=ROPE, sliding_window=7, num_hidden_layers=1,
            layer_types=["sliding_attention"],
        )  # fmt: skip
        ours = Attention(n_heads=4, n_kv_heads=2, head_dim=8, sink=True, window=7)
        return GptOssAttention, GptOssRotaryEmbedding, config, ours, gpt_oss.attention_rules(ours), 7
    if name == "gemma2":
        config = Gemma2Config(**SIZES, attn_logit_softcapping=3.0, query_pre_attn_scalar=8, num_hidden_layers=1)
        return Gemma2Attention, Gemma2RotaryEmbedding, config, _with(soft_cap=3.0), llama.projections(HEADS), T
    config = BitNetConfig(
        **{size: SIZES[size] for size in SIZES if size != "head_dim"}, num_hidden_layers=1, rope_parameters=ROPE
    )
    rules = (*llama.projections(HEADS), same("sub_norm.weight", "attn_sub_norm.weight"))
    return BitNetAttention, BitNetRotaryEmbedding, config, _with(sub_norm=True), rules, T


def _with(**fields):
    return Attention(n_heads=4, n_kv_heads=2, head_dim=8, **fields)


@pytest.mark.parametrize("name", ["qwen3_next", "gpt_oss", "gemma2", "bitnet"])
def test_attention_equals_transformers(name):
    attention, rotary, config, ours, rules, window = layer_case(name)
    config._attn_implementation = "eager"
    theirs = randomised(attention(config, layer_idx=0))
    weights = arrays(theirs)
    layer = load(part(ours, D), from_transformers(rules, weights))
    x_BTD = torch.randn(2, T, D, generator=torch.Generator().manual_seed(4))
    expected = theirs(x_BTD, rotary(config)(x_BTD, torch.arange(T)[None]), causal_mask(window))[0]
    assert expected.abs().mean() > 0.05
    assert (layer(x_BTD, Pass(torch.arange(T))) - expected).abs().max() <= 1e-5 * expected.abs().max()
    back = to_transformers(rules, arrays(layer))
    assert back.keys() == weights.keys()
    for key, array in back.items():
        # 1 + w and back loses what is too small beside 1
        assert abs(array - weights[key]).max() <= (3e-7 if name == "qwen3_next" and "norm" in key else 0)
    again = from_transformers(rules, back)
    assert all((array == again[key]).all() for key, array in arrays(layer).items())


@pytest.mark.parametrize(
    ("family", "config", "reason"),
    [
        (llama, _with(window=8), "window 8: transformers' llama only has None"),
        (llama, _with(rope=False), "rope False: transformers' llama only has True"),
        (mistral, _with(window=8, n_global=1), "n_global 1"),
        (qwen3, _with(), "qk_norm False: transformers' qwen3 always has True"),
        (qwen3_next, _with(qk_norm=True), "output_gate False: transformers' qwen3_next always has True"),
        (gpt_oss, _with(sink=True, soft_cap=3.0), "soft_cap 3.0"),
    ],
)
def test_family_refuses_attention_it_does_not_have(family, config, reason):
    with pytest.raises(ValueError, match=reason):
        family.attention_rules(config)


@pytest.mark.parametrize(
    ("family", "config", "reason"),
    [
        (llama, architecture(HEADS).model_copy(update={"n_meta": 2}), "n_meta 2"),
        (llama, architecture(HEADS).model_copy(update={"n_loops": 2}), "n_loops 2"),
        (llama, Architecture(d_model=D, core=(Layer(mixers=(HEADS, ShortConv())),)), "one attention and one swiglu"),
        (llama, Architecture(d_model=D, core=(Layer(mixers=(HEADS,)),)), "one attention and one swiglu"),
        (llama, architecture(HEADS, _with(soft_cap=2.0)), "soft_cap 2.0"),
        (llama, architecture(HEADS, Attention(n_heads=2, n_kv_heads=2, head_dim=8)), "one size of heads"),
        (
            llama,
            architecture(HEADS).model_copy(update={"input": ContinuousInput(n_channels=2)}),
            "input 'continuous': transformers' llama only has 'tokens'",
        ),
        (llama, architecture(HEADS).model_copy(update={"input": TokenInput(rosa=True)}), "rosa True"),
        (mistral, architecture(HEADS, WINDOW), "one window for all"),
        (qwen3, architecture(NORMED_WINDOW, _with(qk_norm=True, window=9)), "one window for all layers that have one"),
    ],
)
def test_family_refuses_models_it_does_not_have(family, config, reason):
    with pytest.raises(ValueError, match=reason):
        family.rules(config)
