import re

import pytest

from nas.errors import Invalid
from nas.submission import read_spec
from nas.width_transfer import untransferable
from search_spaces.zoo import ZOO

TRANSFER = {"recipe": {"width_transfer": {"base_width": 64}}}


def study(genes, **changes):
    return {"name": "s", "space": {"name": "s", "genes": {"d_model": [64, 128], **genes}}, "protocol": TRANSFER} | changes


def accepted(document):
    return read_spec(document, None, 10**9).protocol.recipe


def problems(document):
    with pytest.raises(Invalid) as caught:
        read_spec(document, None, 10**9)
    return {field.pointer: field.reason for field in caught.value.problems}


@pytest.mark.parametrize(
    "genes",
    [
        {"attention_ratio": [1.0], "norm": ["rms", "layer", "sub"], "channel": ["dense", "relu2", "geglu"]},
        {"attention_ratio": [0.0, 0.5], "linear_mixer": ["short_conv"], "fusion": ["serial", "parallel_add"]},
    ],
)
def test_attention_short_convolutions_and_dense_parts_are_accepted(genes):
    assert accepted(study(genes)).width_transfer.base_head_dim == 16


@pytest.mark.parametrize(
    ("genes", "pointer", "words"),
    [
        ({"linear_mixer": ["mamba", "short_conv"]}, "/space/genes/linear_mixer", "mamba: .*Vankadara"),
        ({"linear_mixer": ["gated_deltanet"]}, "/space/genes/linear_mixer", "gated_deltanet: .*2606.04048"),
        ({}, "/space/genes", "mamba2: .*Vankadara"),
        ({"attention_mixer": ["mla"], "attention_ratio": [1.0]}, "/space/genes/attention_mixer", "mla: nobody"),
        ({"attention_ratio": [1.0], "channel": ["dense", "moe"]}, "/space/genes/channel", "moe.*router"),
        ({"attention_ratio": [1.0], "n_loops": {"low": 1, "high": 3}}, "/space/genes/n_loops", "n_loops 3: nobody"),
        ({"attention_ratio": [1.0], "pattern": ["top_k"]}, "/space/genes/pattern", "top_k"),
        ({"attention_ratio": [1.0], "weight_format": ["ternary"]}, "/space/genes/weight_format", "ternary"),
    ],
)
def test_what_nobody_has_shown_is_refused_where_it_stands(genes, pointer, words):
    found = problems(study(genes))
    assert found.keys() == {pointer}
    assert re.search(words, found[pointer])
    assert "leave width_transfer out" in found[pointer]


def test_micro_genes_are_named_with_their_layer():
    space = {"name": "s", "mode": "micro", "genes": {"depth": [2], "layer*.mixer": ["attention"], "layer1.channel": ["moe"]}}
    assert problems(study({}, space=space)).keys() == {"/space/genes/layer1.channel"}


def test_references_must_transfer_too():
    found = problems(study({"attention_ratio": [1.0]}, references=["transformer", "mamba"]))
    assert found.keys() == {"/references/1"}
    assert "core[0].mixers[0]" in found["/references/1"]


def test_without_transfer_nothing_is_refused():
    assert accepted(study({}, protocol={})).width_transfer is None


def test_of_the_zoo_only_dense_attention_and_short_convolutions_pass():
    passing = {name for name, entry in ZOO.items() if untransferable(entry.build()) is None}
    assert passing == {"transformer", "sparse_transformer", "longformer", "bigbird", "conv_attention"}
