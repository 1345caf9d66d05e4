"""Native exports are loaded by `AutoModelForCausalLM.from_pretrained` alone: the same logits, the same greedy continuation."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file

from nas.errors import Invalid
from nas.export.form import Subject
from nas.export.huggingface.beyond import BEYOND
from nas.export.huggingface.exactness import OBJECTIVES, copies_table
from nas.export.huggingface.native import MODEL_CLASSES, NATIVE, Native, choose, export_native
from nas.export.huggingface.rules import from_transformers, to_transformers
from nas.export.tensors import TensorFile
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
from tests.nas.export.huggingface.exports import WITHOUT_US, export, loaded
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
)
from tests.nas.export.huggingface.native_samples import FAMILIES, sample
from workers.model import build

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
    "smollm3_plain": stacked((attention(head_dim=12, rope=False), GATED), tied=True),
    "qwen2_moe_open": stacked((attention(), SHARED), (attention(), GATED)),
    "qwen3_next_open": stacked((attention(qk_norm=True, output_gate=True), SHARED)),
    "qwen3_moe_dense": stacked((attention(qk_norm=True), GATED)),
    "ernie4_5_moe_dense": stacked((attention(), GATED), tied=True),
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
    "deepseek_moe": "qwen2_moe",
    "glam": "ernie4_5_moe",
    "griffin": "recurrent_gemma",
    "jamba": "jamba",
    "kimi_linear": "kimi_linear",
    "nemotron_h": "nemotron_h",
    "qwen3_next": "qwen3_next",
    "rwkv4": "rwkv",
}
N_SAMPLES = 10


def class_of(name):
    return next(BY_TYPE[known] for known in sorted(BY_TYPE, key=len, reverse=True) if name.startswith(known))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Every model's class, config, our parameters and what a stranger finds."""
    wanted = {name: (architecture, class_of(name)) for name, architecture in MODELS.items()}
    wanted |= {f"zoo:{name}": (ZOO[name].build(), BY_TYPE[family]) for name, family in NATIVE_ZOO.items()}
    samples = {f"{family}:{seed}": sample(family, seed) for family in FAMILIES for seed in range(N_SAMPLES)}
    wanted |= {name: (architecture, chosen(architecture).model_class) for name, architecture in samples.items()}
    folder, models = tmp_path_factory.mktemp("native"), {}
    folders = {name: folder / str(number) for number, name in enumerate(wanted)}
    for name, (architecture, model_class) in wanted.items():
        native = Native(model_class, model_class.config(architecture))
        models[name] = native, export(architecture, native, folders[name])
    found = loaded(folders)
    return {name: (*models[name], found[name]) for name in wanted}


def chosen(architecture):
    found = choose(architecture)
    assert isinstance(found, Native), found
    return found


def assert_same(native, found):
    """The class that the config names, with all of its weights, our logits and continuation, and a cache if it has one."""
    assert "raised" not in found, found["raised"]
    assert found["class"] == native.model_class.class_name
    assert not found["amiss"]
    assert found["error"] <= 1e-5
    assert found["same_continuation"]
    assert found["cached"] == native.config["use_cache"]


def n_parameters(native, model):
    """Ours as theirs holds them: without what only trains, a tied table twice where the head is another."""
    tokens, d_model = model.architecture.input, model.architecture.d_model
    kept = sum(parameter.numel() for name, parameter in model.named_parameters() if not name.startswith(OBJECTIVES))
    return kept + tokens.vocab_size * d_model * copies_table(model.architecture, native.model_class.family.ties)


@pytest.mark.parametrize("name", MODELS)
def test_family_says_and_holds_the_model(name, exported):
    native, _, found = exported[name]
    assert_same(native, found)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_architectures_of_a_family_are_what_they_were(family, exported):
    for seed in range(N_SAMPLES):
        native, model, found = exported[f"{family}:{seed}"]
        assert_same(native, found)
        if native.model_class.family.adds(model.architecture):
            assert found["n_parameters"] > n_parameters(native, model)
        else:
            assert found["n_parameters"] == n_parameters(native, model)


def test_samples_reach_every_class(exported):
    reached = {exported[f"{family}:{seed}"][0].model_class.model_type for family in FAMILIES for seed in range(N_SAMPLES)}
    assert reached == BY_TYPE.keys()
    assert len(FAMILIES) * N_SAMPLES >= 200


def test_export_holds_few_tensors_at_a_time(tmp_path):
    architecture = stacked(*24 * [(attention(head_dim=32), SwiGLU(d_ff=512))])
    weights = tmp_path / "ours.safetensors"
    save_file(build(architecture).state_dict(), weights)
    tracemalloc.start()
    export_native(architecture, chosen(architecture), TensorFile(weights), tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < weights.stat().st_size / 3


TIED = stacked((SSD, ReLU2(d_ff=20)), tied=True, mtp=MultiTokenPrediction())


def test_form_says_what_is_not_as_it_was(tmp_path):
    written = NATIVE.write(Subject(architecture=TIED, title="a hybrid"), tmp_path)
    assert written.loads_as == "transformers.NemotronHForCausalLM"
    assert "the head is a copy of the embedding's table, 1600 parameters more" in written.why
    assert "decoding never runs, are left out" in written.why
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "generation_config.json"]


@pytest.mark.parametrize(
    "other", [stacked((SSD, ReLU2(d_ff=20)), tied=True), TIED.model_copy(update={"input": TokenInput(vocab_size=51)})]
)
def test_weights_of_another_are_refused(other, tmp_path):
    weights = tmp_path / "ours.safetensors"
    save_file(build(other).state_dict(), weights)
    with pytest.raises(Invalid, match="not weights of a hybrid, which has"):
        NATIVE.write(Subject(architecture=TIED, title="a hybrid", weights=weights), tmp_path)


def test_weights_under_other_names_are_refused(tmp_path):
    weights = tmp_path / "ours.safetensors"
    save_file({f"model.{name}": tensor for name, tensor in build(TIED).state_dict().items()}, weights)
    with pytest.raises(Invalid, match="not weights of a hybrid: our weights: missing"):
        NATIVE.write(Subject(architecture=TIED, title="a hybrid", weights=weights), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours.safetensors"]


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("rwkv")])
def test_what_is_written_can_be_read_again(name):
    architecture = MODELS[name]
    rules, ours = class_of(name).rules(architecture), weights_of(build(architecture, torch.Generator().manual_seed(1)))
    back = from_transformers(rules, to_transformers(rules, ours))
    assert back.keys() == {name for name in ours if not name.startswith(OBJECTIVES)}
    assert all(np.allclose(array, ours[name], rtol=1e-6, atol=1e-7) for name, array in back.items())


def test_head_that_is_no_copy_of_the_table_is_not_read_as_tied():
    rules = class_of("nemotron_h").rules(TIED)
    theirs = to_transformers(rules, weights_of(build(TIED)))
    theirs["lm_head.weight"] = theirs["lm_head.weight"] + 1
    with pytest.raises(ValueError, match=r"lm_head\.weight differs from model\.embeddings\.weight, and ours are one tensor"):
        from_transformers(rules, theirs)


def test_stranger_cannot_import_us(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import nas")
    done = subprocess.run([sys.executable, "-c", WITHOUT_US, script], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr


def test_config_says_nothing_that_transformers_does_not_know():
    for name, architecture in MODELS.items():
        form = class_of(name)
        config = form.config(architecture)
        theirs = transformers.AutoConfig.for_model(form.model_type)
        # attention reads the size of heads through getattr, whether their config class names it or not
        known = {*theirs.to_dict(), *theirs.attribute_map, *theirs.attribute_map.values(), "num_hidden_layers", "head_dim"}
        assert config.keys() - known <= {"max_position_embeddings", "pad_token_id"}, name


@pytest.mark.parametrize("name", NATIVE_ZOO)
def test_zoo_entry_is_what_it_was(name, exported):
    native, _, found = exported[f"zoo:{name}"]
    assert chosen(ZOO[name].build()).config == native.config
    assert_same(native, found)


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
    assert {refusal.target for refusal in found.refusals} == {*families[: families.index("granitemoehybrid")]}


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
