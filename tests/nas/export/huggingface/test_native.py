"""Native exports are loaded by `AutoModelForCausalLM.from_pretrained` alone: the same logits, the same greedy continuation."""

import json

import pytest
import torch
import transformers
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from nas.export.huggingface.beyond import BEYOND
from nas.export.huggingface.exactness import OBJECTIVES
from nas.export.huggingface.native import MODEL_CLASSES, Native, choose, export_native
from search_spaces.architecture import Architecture, Layer, Numerics, TokenInput
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.mla import MLA
from search_spaces.primitives.recurrence import gated_deltanet
from search_spaces.primitives.relu2 import ReLU2
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv_channel import RWKVChannel
from search_spaces.primitives.short_conv import ShortConv
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.zoo import ZOO
from tests.nas.export.huggingface.comparison import weights_of
from tests.nas.export.huggingface.models import (
    CASES,
    EXPERTS,
    GATED,
    SCALED,
    SHARED,
    SSD,
    D,
    attention,
    fine,
    gelu,
    latent,
    local,
    parallel,
    scan,
    softmax,
    stacked,
    token_input,
)
from workers.draw import draw
from workers.model import build

NEW_TOKENS = 6
BY_TYPE = {found.model_type: found for found in MODEL_CLASSES}
WIDE = attention(head_dim=12)
"""Heads that do not fill the width."""

MODELS = {name: architecture for name, (_, _, _, architecture) in CASES.items()} | {
    "rwkv_tied": stacked(*2 * [(RWKV4(), RWKVChannel(d_ff=48))], norm="layer", tied=True),
    "rwkv_wide": stacked(*2 * [(RWKV4(width=40), RWKVChannel(d_ff=48))], norm="layer"),
    "nemotron_h_tied": stacked((SSD, ReLU2(d_ff=20)), tied=True),
    "kimi_linear_tied": stacked((fine, GATED), tied=True),
    "recurrent_gemma_tied": stacked((RGLRU(n_blocks=2), gelu), tied=True),
    "deepseek_v3_objectives": stacked((latent, GATED), mtp=MultiTokenPrediction(), next_latent=NextLatent(d_hidden=8)),
    "llama_wide": stacked((WIDE, GATED)),
    "lfm2_wide": stacked((WIDE.model_copy(update={"qk_norm": True}), GATED), tied=True),
    "lfm2_conv": stacked((ShortConv(width=4), GATED)),
    "jamba_wide": stacked((attention(rope=False, head_dim=12), GATED), (scan, GATED)),
    "jamba_scan": stacked((Mamba(expand=3, bcdt_norm=True), GATED), (Mamba(expand=3, bcdt_norm=True), GATED)),
    "jamba_attention": stacked(*2 * [(attention(rope=False), softmax)]),
    "granitemoehybrid_wide": stacked((SSD, GATED), (WIDE, GATED)),
    "granitemoehybrid_scan": stacked((SSD, GATED), (SSD, GATED), tied=True),
    "granitemoehybrid_attention": stacked((attention(rope=False), SHARED)),
    "bamba_wide": stacked((SSD, GATED), (WIDE, GATED)),
    "bamba_scan": stacked((SSD, GATED)),
    "bamba_attention": stacked((attention(rotary_fraction=0.5), GATED), tied=True),
    "falcon_h1_odd": parallel((WIDE, SSD.model_copy(update={"value_dim": 12}), GATED)),
    "falcon_h1_tied": parallel((attention(), SSD, GATED), tied=True),
    "gpt_oss": stacked((sinks := attention(sink=True), EXPERTS), (sinks.model_copy(update={"window": 5}), EXPERTS)),
    "gpt_oss_wide": stacked((WIDE.model_copy(update={"sink": True}), EXPERTS), tied=True),
    "nemotron_h_scan": stacked((SSD, None), (SSD, ReLU2(d_ff=20))),
    "nemotron_h_attention": stacked((attention(rope=False, head_dim=12), None)),
    "qwen3_full": stacked(*2 * [(attention(qk_norm=True, head_dim=12), GATED)]),
    "mixtral_wide": stacked((attention(window=5, head_dim=12), CASES["mixtral"][3].core[0].channel)),
    "deepseek_v3_dense": stacked((latent.model_copy(update={"q_rank": None}), GATED), tied=True),
    "deepseek_v3_sparse": stacked((latent, SCALED)),
    "qwen3_next_delta": stacked((gated_deltanet(D, n_heads=2, key_dim=8), GATED), tied=True),
    "qwen3_next_attention": stacked(
        (attention(qk_norm=True, output_gate=True), SHARED.model_copy(update={"shared_gate": True}))
    ),
    "kimi_linear_delta": stacked((fine, GATED), (fine, SCALED)),
    "kimi_linear_latent": stacked((MLA(n_heads=2, kv_rank=12, nope_dim=6, rope_dim=8, value_dim=10, rope=False), GATED)),
    "recurrent_gemma_scan": stacked((RGLRU(n_blocks=2, width=48), gelu)),
    "recurrent_gemma_wide": stacked((RGLRU(n_blocks=4, width=64), gelu), (local, gelu)),
    "recurrent_gemma_attention": stacked((attention(window=5), gelu)),
}


def form_of(name):
    return next(BY_TYPE[known] for known in sorted(BY_TYPE, key=len, reverse=True) if name.startswith(known))


def load(folder):
    model, found = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.eval()


def assert_same_logits(theirs, tokens, expected):
    with torch.no_grad():
        logits = theirs(tokens, use_cache=False).logits
    assert logits.dtype == torch.float32
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()


def continued(model, tokens):
    """Greedily, token by token."""
    state, found = model.initial_state(len(tokens)), [*tokens.T]
    logits, state = model.extend(tokens, state)
    logits = logits[:, -1]
    for _ in range(NEW_TOKENS):
        found.append(logits.argmax(-1))
        logits, state = model.step(found[-1], state)
    return torch.stack(found, 1)


def away_from_start(model):
    """Norms, biases and rates are not what they start as, so that none can be lost unseen."""
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.mark.parametrize("name", MODELS)
def test_family_says_and_holds_the_model(name, tmp_path):
    architecture, form = MODELS[name], form_of(name)
    ours = away_from_start(build(architecture, torch.Generator().manual_seed(5)))
    export_native(architecture, Native(form, form.config(architecture)), weights_of(ours), tmp_path)
    theirs = load(tmp_path)
    assert type(theirs).__name__ == form.class_name
    tokens = torch.arange(26).view(2, 13) * 7 % token_input(architecture).vocab_size
    with torch.no_grad():
        assert_same_logits(theirs, tokens, ours(tokens).logits_BTV)
        expected = continued(ours, tokens)
    found = theirs.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=NEW_TOKENS)
    assert found.tolist() == expected.tolist()
    n_theirs = sum(parameter.numel() for parameter in theirs.parameters())
    assert n_theirs >= sum(parameter.numel() for name, parameter in ours.named_parameters() if not name.startswith(OBJECTIVES))


def test_config_says_nothing_that_transformers_does_not_know():
    for name, architecture in MODELS.items():
        form = form_of(name)
        config = form.config(architecture)
        theirs = transformers.AutoConfig.for_model(form.model_type)
        # attention reads the size of heads through getattr, whether their config class names it or not
        known = {*theirs.to_dict(), *theirs.attribute_map, *theirs.attribute_map.values(), "num_hidden_layers", "head_dim"}
        assert config.keys() - known <= {"max_position_embeddings", "pad_token_id"}, name


NATIVE_ZOO = {
    "transformer": "llama",
    "gated_deltanet": "qwen3_next",
    "mamba": "mamba",
    "mamba2": "mamba2",
    "mixtral": "mixtral",
    "granite4_real": "granitemoehybrid",
    "granite4_seed": "granitemoehybrid",
    "deepseek_v3": "deepseek_v3",
    "conv_attention": "lfm2",
    "griffin": "recurrent_gemma",
    "jamba": "jamba",
    "kimi_linear": "kimi_linear",
    "nemotron_h": "nemotron_h",
    "qwen3_next": "qwen3_next",
    "rwkv4": "rwkv",
}


@pytest.mark.parametrize("name", NATIVE_ZOO)
def test_zoo_entry_equals_its_parity(name, tmp_path):
    architecture = ZOO[name].build()
    draw(architecture, 3, tmp_path)
    found = choose(architecture)
    assert isinstance(found, Native)
    assert found.model_class.model_type == NATIVE_ZOO[name]
    export_native(architecture, found, load_arrays(tmp_path / "weights.safetensors"), tmp_path)
    theirs, parity = load(tmp_path), load_file(tmp_path / "parity.safetensors")
    assert_same_logits(theirs, parity["input_ids"], parity["logits"])
    written = json.loads((tmp_path / "config.json").read_text())
    assert written == found.config
    # the bias of a router is a buffer
    saved = load_arrays(tmp_path / "model.safetensors")
    assert theirs.num_parameters() == sum(array.size for name, array in saved.items() if "correction_bias" not in name)


@pytest.mark.parametrize("name", sorted(ZOO.keys() - NATIVE_ZOO))
def test_zoo_entry_that_no_family_has_is_told_why(name):
    refusals = choose(ZOO[name].build())
    assert not isinstance(refusals, Native)
    assert sorted(refusal.target for refusal in refusals) == sorted([*BY_TYPE, *(refusal.target for refusal in BEYOND)])
    assert all(refusal.reason.startswith(refusal.field) and refusal.field for refusal in refusals)


@pytest.mark.parametrize(
    ("name", "nearest"), [("bitnet", "bitnet"), ("samba", "jamba"), ("longformer", "llama"), ("rwkv6", "rwkv")]
)
def test_nearest_family_is_named_first(name, nearest):
    refusals = choose(ZOO[name].build())
    assert not isinstance(refusals, Native)
    assert refusals[0].target == nearest
    assert refusals[-len(BEYOND) :] == BEYOND


def test_first_family_is_chosen_and_those_before_say_why():
    found = choose(CASES["granitemoehybrid"][3])
    assert isinstance(found, Native)
    assert found.model_class.model_type == "granitemoehybrid"
    families = [form.model_type for form in MODEL_CLASSES]
    assert [refusal.target for refusal in found.refusals] == families[: families.index("granitemoehybrid")]


def changed(name: str, **fields: object) -> Architecture:
    return CASES[name][3].model_copy(update=fields)


@pytest.mark.parametrize(
    ("family", "architecture", "field"),
    [
        ("bitnet", changed("bitnet", numerics=Numerics(weights="ternary", activations="int8")), "numerics"),
        (
            "bitnet",
            stacked((attention(head_dim=12, sub_norm=True), SwiGLU(d_ff=48, activation="relu2", sub_norm=True))),
            "head_dim",
        ),
        ("llama", stacked((attention(n_heads=6), GATED)), "n_heads"),
        ("llama", changed("llama", n_meta=2), "n_meta"),
        ("llama", changed("llama", input=TokenInput(rosa=True)), "rosa"),
        ("llama", changed("llama", core=(Layer(mixers=(Attention(n_heads=2, n_kv_heads=2, head_dim=16),)),)), "core[0]"),
    ],
)
def test_refusal_names_the_field(family, architecture, field):
    with pytest.raises(ValueError, match=r"\w") as refused:
        BY_TYPE[family].config(architecture)
    found = choose(architecture)
    refusals = found.refusals if isinstance(found, Native) else found
    assert {refusal.target: refusal.field for refusal in refusals}[family] == field
    assert str(refused.value).startswith(field)


def test_config_without_attention_switches_their_cache_off():
    assert BY_TYPE["bamba"].config(MODELS["bamba_scan"])["use_cache"] is False
    assert BY_TYPE["bamba"].config(MODELS["bamba_wide"])["use_cache"] is True
