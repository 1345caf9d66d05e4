"""Custom models of every zoo entry and of what no entry has, loaded where none of our packages is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.cost import price
from search_spaces.objectives import NextLatent
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.zoo import ZOO
from tests.nas.export.huggingface.custom.exported import run_stranger, write_folder

TOLERANCE = 1e-5
D, V = 16, 64
TOKENS = TokenInput(vocab_size=V)
ATTENTION = Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),))

MODELS = {name: entry.build(D, V) for name, entry in ZOO.items()} | {
    "copies": Architecture(d_model=D, input=TokenInput(vocab_size=V, rosa=True, tie_embeddings=False), core=(ATTENTION,)),
    "latents": Architecture(d_model=D, input=TOKENS, core=(ATTENTION,), next_latent=NextLatent(d_hidden=24), n_meta=2),
    "streams": Architecture(d_model=D, input=TOKENS, core=(ATTENTION,), n_streams=2, norm="layer"),
}

CAREFUL = ("transformer", "deepseek_v3", "jamba", "byte_hierarchical", "mixture_of_recursions", "copies")
"""Attention; experts balanced by biases, and heads for tokens further on; recurrence with a convolution; patches; sequences
that loop for themselves; two tables of tokens and a head."""

Findings = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("custom")
    for name, architecture in MODELS.items():
        write_folder(architecture, folder / name)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Findings:
    return run_stranger("stranger.py", *(folder / name for name in MODELS))


@pytest.fixture(scope="module")
def looks(folder: Path) -> Findings:
    return run_stranger("careful.py", *(folder / name for name in CAREFUL))


def test_every_model_is_written(folder):
    assert {path.parent.name for path in folder.glob("*/model.safetensors")} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_stranger_loads_and_uses_it(name, found):
    architecture, model = MODELS[name], found[name]
    assert "error" not in model, model["error"]
    assert model["said"] == model["unmatched"] == model["without_gradient"] == []
    assert not model["training"]
    assert model["n_params"] == price(architecture, CostContext(context_length=1)).params
    assert max(model["logits"], model["loss"], model["drawn"]) <= TOLERANCE
    assert model["fresh"] < 0.5
    if architecture.causal:
        assert max(model["extended"], model["uncached"]) <= TOLERANCE
        assert model["greedy"]
        assert model["beams"]
        assert model["n_tokens"]


@pytest.mark.parametrize("name", CAREFUL)
def test_stranger_looks_closer(name, looks):
    assert "error" not in looks[name], looks[name]["error"]
    assert {look for look, is_well in looks[name].items() if not is_well} == set()
