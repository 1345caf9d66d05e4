import re

import pytest
from pydantic import ValidationError

from search_spaces.document import Document
from search_spaces.space import Space

ATTENTION = {"attention_ratio": [1]}
LINEAR = {"attention_ratio": [0]}
MOE = {"channel": ["moe"]}
FINE = {"channel": ["moe", "moe_fine"]}
SHARED = {"channel": ["moe_shared"]}


def refusals(genes, mode="macro", **fields) -> dict[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as caught:
        Space.from_data({"name": "test", "mode": mode, "genes": genes, **fields})
    return {error["loc"]: error["msg"] for error in caught.value.errors()}


@pytest.mark.parametrize(
    ("genes", "field", "reason"),
    [
        (ATTENTION | {"n_heads": [4, 5]}, "n_heads", "5: no such count .* allowed: 1, 2, 4, 8, 16, 32"),
        (ATTENTION | {"d_model": [64, 72], "n_heads": [8]}, "n_heads", "even width, which rope needs.*allowed: 1, 2, 4"),
        (ATTENTION | {"d_model": [64, 65], "n_heads": [8]}, "n_heads", "none, unless every d_model is a multiple of 2"),
        (ATTENTION | {"d_model": {"low": 32, "high": 64, "step": 16}, "n_heads": [16]}, "n_heads", "allowed: 1, 2, 4, 8$"),
        (ATTENTION | {"d_model": [4], "n_heads": [4], "rope": [False]}, "n_heads", "narrower than 2.*at most 2"),
        (ATTENTION | {"d_model": [2048], "n_heads": [2]}, "n_heads", "wider than 512.*at least 4"),
        (ATTENTION | {"n_heads": [2, 4], "n_kv_heads": [4]}, "n_kv_heads", '4 must divide.*"all", 1, 2'),
        (LINEAR | {"linear_heads": [3]}, "linear_heads", "3 must divide.*1, 2, 4, 8"),
        (LINEAR | {"d_model": [2048], "linear_heads": [4]}, "linear_heads", "wider than 512.*at least 8"),
        (LINEAR | {"linear_mixer": ["retnet"], "state_size": [3, 4]}, "state_size", "3 must be even"),
        ({"placement": ["explicit"], "attention_layers": ["0,2"], "depth": [2, 4]}, "attention_layers", "least depth, 2"),
        (MOE | {"n_experts": [2, 8], "top_k": [4]}, "top_k", "4 is above the least n_experts, 2"),
        (MOE | {"moe_period": [3], "depth": [2]}, "moe_period", "3 is above the least depth, 2"),
        (FINE | {"n_experts": [4096]}, "granularity", "2 splits n_experts 4096 into 8192; at most 4096, so use at most 1"),
        (FINE | {"n_experts": [64], "top_k": [64]}, "granularity", "splits top_k 64 into 128; at most 64"),
        (SHARED | {"n_shared": [4]}, "n_shared", "4 leaves no routed expert.*at most 3"),
        (SHARED | {"n_shared": [1], "granularity": [1], "n_experts": [2]}, "n_shared", "use at most 0"),
        ({"ffn_ratio": [32], "d_model": [65536]}, "ffn_ratio", "at most 4"),
        ({"n_loops": [2], "n_prelude": [2], "n_coda": [2]}, "n_prelude", "no core is left"),
        ({"n_loops": [5], "depth": [256]}, "n_loops", "1280 layers would run; at most 1024"),
        (ATTENTION | {"linear_mixer": ["gla", "retnet"]}, "linear_mixer", "never decided: .* some layer has a linear mixer"),
        ({"top_k": [1, 2]}, "top_k", "never decided: .* some channel part is moe"),
    ],
)
def test_space_refuses_values_that_do_not_fit_each_other(genes, field, reason):
    found = refusals(genes)
    assert re.search(reason, found["genes", field])


@pytest.mark.parametrize(
    ("genes", "location", "reason"),
    [
        ({}, ("genes",), "at least 1 item"),
        ({"n_head": [1]}, ("genes", "n_head"), "did you mean n_heads"),
        ({"n_heads": []}, ("genes", "n_heads", "list"), "at least 1 item"),
        ({"n_heads": [1] * 65}, ("genes", "n_heads", "list"), "at most 64 items"),
        ({"n_heads": 4}, ("genes", "n_heads", "list"), "valid array"),
        ({"n_heads": [None]}, ("genes", "n_heads", "list", 0), "should be a string, a finite number"),
        ({"n_heads": [[1]]}, ("genes", "n_heads", "list", 0), "should be a string, a finite number"),
        ({"n_heads": ["4"]}, ("genes", "n_heads"), '"4" is not an integer from 1 to 256'),
        ({"n_heads": [4.0]}, ("genes", "n_heads"), "4.0 is not an integer from 1 to 256"),
        ({"n_heads": [True]}, ("genes", "n_heads"), "true is not an integer"),
        ({"n_heads": [4, 4]}, ("genes", "n_heads"), "4 is listed twice"),
        ({"attention_ratio": [0, 0.0]}, ("genes", "attention_ratio"), "0.0 is listed twice"),
        ({"attention_ratio": [1.5]}, ("genes", "attention_ratio"), "1.5 is not a number from 0 to 1"),
        ({"d_model": [10**300]}, ("genes", "d_model"), r"0\.\.\. is not an integer from 4 to 65536"),
        ({"fusion": ["sum"]}, ("genes", "fusion"), '"sum" is not one of "serial", "parallel_add"'),
        ({"rope": [1]}, ("genes", "rope"), "1 is not one of true, false"),
        ({"attention_layers": ["1,0"]}, ("genes", "attention_layers"), "rising positions"),
        ({"attention_layers": ["0, 1"]}, ("genes", "attention_layers"), "rising positions"),
        ({"attention_layers": ["256"]}, ("genes", "attention_layers"), "from 0 to 255"),
        ({"depth": {"low": 2}}, ("genes", "depth", "range", "high"), "required"),
        ({"depth": {"low": 2, "high": 1}}, ("genes", "depth"), "high must be low plus a multiple of step"),
        ({"depth": {"low": 2, "high": 5, "step": 2}}, ("genes", "depth"), "high must be low plus a multiple of step"),
        ({"depth": {"low": 2, "high": 5, "step": 0}}, ("genes", "depth", "range", "step"), "greater than or equal to 1"),
        ({"depth": {"low": 0, "high": 5}}, ("genes", "depth"), "0 is not an integer from 1 to 256"),
        ({"attention_ratio": {"low": 0, "high": 1}}, ("genes", "attention_ratio"), "a range is for integers"),
        ({"layer0.mixer": ["gla"]}, ("genes", "layer0.mixer"), "no gene of macro mode"),
    ],
)
def test_space_refuses_wrong_values(genes, location, reason):
    assert re.search(reason, refusals(genes)[location])


def test_space_refuses_micro_genes_that_no_depth_reaches():
    genes = {"depth": [2, 3], "layer3.mixer": ["gla"]}
    assert "depth is at most 3" in refusals(genes, "micro")["genes", "layer3.mixer"]


def test_space_refuses_layers_that_may_be_empty():
    found = refusals({"depth": [2], "layer1.mixer": ["none", "gla"], "layer1.channel": ["none", "moe"]}, "micro")
    assert found.keys() == {("genes", "layer1.mixer")}


def test_space_refusals_keep_their_place_inside_a_larger_document():
    class Holder(Document):
        space: Space

    with pytest.raises(ValidationError) as caught:
        Holder.from_data({"space": {"name": "test", "genes": {"n_heads": [3]}}})
    assert caught.value.errors()[0]["loc"] == ("space", "genes", "n_heads")


@pytest.mark.parametrize("name", ["", " x", "a\x00", "\ud800", "x" * 81, "a/b"])
def test_space_refuses_unprintable_names(name):
    with pytest.raises(ValidationError):
        Space.from_data({"name": name, "genes": {"depth": [2]}})


def test_space_every_catalogue_default_fits_the_others():
    for mode in ("macro", "micro"):
        assert Space.from_data({"name": "default", "mode": mode, "genes": {"d_model": [64]}}).size() == 1


def test_space_refuses_more_names_than_there_are_genes():
    assert refusals({f"gene{number}": [1] for number in range(300)}).keys() == {("genes",)}


PATCHES = {"kind": "byte_patch", "patch_size": 4, "d_byte": 8, "within": [{"channel": {"kind": "swiglu", "d_ff": 8}}]}
MEASURED = {"kind": "continuous", "n_channels": 2}


@pytest.mark.parametrize(
    ("source", "mode", "genes", "field", "reason"),
    [
        (PATCHES, "macro", LINEAR | {"linear_mixer": ["gla", "fnet"]}, "linear_mixer", "drop fnet"),
        (PATCHES, "micro", {"layer1.mixer": ["gla", "attention+fnet"]}, "layer1.mixer", "drop fnet"),
        (PATCHES, "macro", {"n_meta": [0, 2]}, "n_meta", "leave it out"),
        (PATCHES, "macro", {"mtp": [0, 1]}, "mtp", "predicts tokens, and the input is byte_patch"),
        (MEASURED, "macro", {"next_latent": [True]}, "next_latent", "predicts tokens, and the input is continuous"),
    ],
)
def test_space_refuses_genes_that_its_input_has_no_use_for(source, mode, genes, field, reason):
    found = refusals(genes, mode, input=source)
    assert found.keys() == {("genes", field)}
    assert reason in found["genes", field]
