"""Whole models: random weights of transformers' models, read by the rules, give the same logits; ours, written, load there."""

import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file

from nas.export.huggingface import (
    bamba,
    bitnet,
    deepseek_v3,
    granitemoehybrid,
    jamba,
    llama,
    mamba,
    mamba2,
    mistral,
    nemotron_h,
    qwen3,
    recurrent_gemma,
    rwkv,
)
from nas.export.huggingface.checkpoints import from_checkpoint, to_checkpoint
from nas.export.huggingface.rules import from_transformers, to_transformers
from search_spaces.architecture import Architecture, ContinuousInput, Layer, Numerics, TokenInput
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.swiglu import SwiGLU
from tests.nas.export.huggingface.comparison import assert_equal, assert_way_back, load, weights_of
from tests.nas.export.huggingface.models import (
    CASES,
    EAGER,
    GATED,
    ROUNDED,
    SCALED,
    SHARED,
    SSD,
    V,
    attention,
    gelu,
    latent,
    local,
    model_of,
    one_epsilon,
    scan,
    softmax,
    stacked,
    token_input,
)
from workers.model import build

T = 37


@pytest.mark.parametrize("name", CASES)
def test_model_equals_transformers(name):
    family, _, _, architecture = CASES[name]
    rules, theirs = family.rules(architecture), model_of(name)
    weights = weights_of(theirs)
    if token_input(architecture).tie_embeddings:
        del weights["lm_head.weight"]
    ours = load(build(architecture), from_transformers(rules, weights))
    tokens = torch.arange(2 * T).view(2, T) * 7 % V
    with torch.no_grad():
        assert_equal(ours(tokens).logits_BTV, theirs(tokens, use_cache=False).logits)
    # of their embeddings, which they norm, what the norm takes away is lost
    if family is not rwkv:
        assert_way_back(rules, weights, ROUNDED.get(name, ()))


@pytest.mark.parametrize("name", CASES)
def test_written_model_is_loaded_by_transformers(name, tmp_path):
    family, model_class, fields, architecture = CASES[name]
    ours = build(architecture, torch.Generator().manual_seed(5)).eval()
    getattr(transformers, f"{model_class}Config")(**fields).save_pretrained(tmp_path)
    weights = to_transformers(family.rules(architecture), weights_of(ours))
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    load_model = getattr(transformers, f"{model_class}ForCausalLM").from_pretrained
    theirs, found = load_model(tmp_path, output_loading_info=True, dtype=torch.float32, **EAGER)
    assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    tokens = torch.arange(2 * T).view(2, T) * 7 % V
    with torch.no_grad():
        expected = one_epsilon(theirs.eval())(tokens, use_cache=False).logits
        assert (ours(tokens).logits_BTV - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", CASES)
def test_checkpoint_has_the_tensors_that_transformers_saves(name, tmp_path):
    family, _, _, architecture = CASES[name]
    theirs, model_type = model_of(name), family.__name__.rsplit(".", 1)[1]
    theirs.save_pretrained(tmp_path)
    saved, weights = load_file(tmp_path / "model.safetensors"), weights_of(theirs)
    if token_input(architecture).tie_embeddings:
        del weights["lm_head.weight"]
    for expected, found in (
        (saved, dict(to_checkpoint(model_type, iter(weights.items())))), (weights, from_checkpoint(model_type, saved)),
    ):  # fmt: skip
        assert found.keys() == expected.keys()
        assert all((array == expected[key]).all() for key, array in found.items())


def test_checkpoint_without_an_expert_is_refused():
    weights = dict(to_checkpoint("mixtral", iter(weights_of(model_of("mixtral")).items())))
    del weights["model.layers.1.block_sparse_moe.experts.2.w3.weight"]
    with pytest.raises(ValueError, match=r"model\.layers\.1\.mlp\.experts\.2\.w3\.weight"):
        from_checkpoint("mixtral", weights)


def changed(name: str, **fields: object) -> Architecture:
    return CASES[name][3].model_copy(update=fields)


DOUBLED = Layer(mixers=(attention(), attention()), channel=GATED)


@pytest.mark.parametrize(
    ("family", "architecture", "reason"),
    [
        (llama, changed("llama", n_meta=2), "n_meta 2: transformers' llama only has 0"),
        (llama, changed("llama", n_loops=2), "n_loops 2"),
        (llama, changed("llama", norm="layer"), "norm 'layer': transformers' llama always has 'rms'"),
        (llama, changed("llama", core=(DOUBLED,)), "layer of transformers' llama is one attention and one swiglu"),
        (llama, stacked((attention(), None)), "one attention and one swiglu"),
        (llama, stacked((attention(), GATED), (attention(soft_cap=2.0), GATED)), "soft_cap 2.0"),
        (llama, stacked((attention(), GATED), (attention(n_heads=2), GATED)), "one attention for all its layers"),
        (llama, changed("llama", input=ContinuousInput(n_channels=2)), "input 'continuous': transformers' llama only has"),
        (llama, changed("llama", input=TokenInput(rosa=True)), "rosa True"),
        (mistral, stacked((attention(), GATED), (attention(window=6), GATED)), "one attention for all its layers"),
        (
            qwen3, stacked(*((attention(qk_norm=True, window=window), GATED) for window in (6, 9))),
            "one window for all layers that have one",
        ),
        (deepseek_v3, stacked((latent, SCALED), (latent, GATED)), "all layers from the first moe on"),
        (granitemoehybrid, stacked((SSD, SHARED), (SSD, GATED)), "all layers have experts, or none has"),
        (jamba, stacked((scan, GATED), *2 * [(attention(rope=False), GATED)]), "attention in every n-th"),
        (jamba, stacked((scan, softmax), (scan, softmax), (scan, GATED)), "moe in every n-th"),
        (jamba, stacked((scan, softmax), (scan, SwiGLU(d_ff=20))), "one width for experts and others"),
        (mamba, stacked((Mamba(), GATED)), r"core\[0\]: mamba and swiglu; a layer of .* mamba is one mamba$"),
        (nemotron_h, stacked((SSD, GATED)), "mamba2 and swiglu; a layer of .* one mamba2 or attention or one relu2"),
        (mamba2, stacked((SSD.model_copy(update={"value_dim": 12}), None)), "48 must be a multiple of d_model 32"),
        (bamba, stacked((SSD.model_copy(update={"value_dim": 12}), GATED)), "48 must be a multiple of d_model 32"),
        (recurrent_gemma, stacked((RGLRU(n_blocks=2), gelu), (local, gelu)), r"n_blocks \{2\}"),
        (recurrent_gemma, stacked((local.model_copy(update={"head_dim": 16}), gelu)), "head_dim must be d_model / n_heads"),
        (rwkv, changed("rwkv", norm="rms"), "norm 'rms': transformers' rwkv always has 'layer'"),
    ],
)  # fmt: skip
def test_family_refuses_models_it_does_not_have(family, architecture, reason):
    with pytest.raises(ValueError, match=reason):
        family.rules(architecture)


def test_low_bit_training_changes_no_weights():
    ternary = changed("bitnet", numerics=Numerics(weights="ternary", activations="int8"))
    assert [rule.ours for rule in bitnet.rules(ternary)] == [rule.ours for rule in bitnet.rules(CASES["bitnet"][3])]
