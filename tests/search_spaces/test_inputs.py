"""What a model reads: which inputs fit token tasks, and what the ends of a model cost."""

import math

import pytest
from pydantic import ValidationError

from nas.study import StudySpec
from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Layer, TokenInput
from search_spaces.cost import price
from search_spaces.inputs import cannot_read
from search_spaces.layer_cost import Stream, price_layer
from search_spaces.presets import PRESETS
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU

ATTENTION = Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),), channel=SwiGLU(d_ff=24))
WITHIN = Layer(mixers=(Attention(n_heads=1, n_kv_heads=1, head_dim=4),))
PATCHES = BytePatchInput(vocab_size=50, patch_size=4, d_byte=6, within=(WITHIN,))


def architecture_of(source, **fields):
    return Architecture(d_model=16, input=source, core=(ATTENTION,), **fields)


def cost_of(source, length, **fields):
    return price(architecture_of(source, **fields), CostContext(context_length=length, bytes_per_element=4))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (TokenInput(vocab_size=8), "vocab_size is 8; the tasks need 16"),
        (PATCHES.model_copy(update={"vocab_size": 15}), "vocab_size is 15; the tasks need 16"),
        (ContinuousInput(n_channels=400), "reads measurements; the tasks have tokens"),
    ],
)
def test_input_that_cannot_read_tokens_says_why(source, words):
    assert words in (cannot_read(source, 16) or "")


@pytest.mark.parametrize("source", [TokenInput(vocab_size=16), PATCHES])
def test_input_reads_tokens_of_its_vocabulary(source):
    assert cannot_read(source, 16) is None


def test_study_of_token_tasks_refuses_measurements():
    space = PRESETS["recall_demo"]().model_copy(update={"input": ContinuousInput(n_channels=2)})
    with pytest.raises(ValidationError, match=r"space\.input\n  kind is 'continuous', which reads measurements"):
        StudySpec(name="measured", space=space)


def test_rosa_has_a_table_of_its_own_and_keeps_the_tokens():
    plain, copying = cost_of(TokenInput(vocab_size=100), 30), cost_of(TokenInput(vocab_size=100, rosa=True), 30)
    assert copying.params - plain.params == 100 * 16
    assert copying.flops_per_token == plain.flops_per_token
    assert copying.state_bytes - plain.state_bytes == 30 * 2 * 4


def test_measurements_have_a_matrix_and_a_bias_at_both_ends():
    tokens, measured = cost_of(TokenInput(vocab_size=100), 9), cost_of(ContinuousInput(n_channels=3), 9)
    assert measured.params == tokens.params - 100 * 16 + 2 * 3 * 16 + 3 + 16
    assert measured.flops_per_token == tokens.flops_per_token - 2 * 100 * 16 + 2 * 2 * 3 * 16


def layer_cost(layer, width, length):
    """Of one layer; its FLOPs are those of all `length` tokens together."""
    return price_layer(layer, Stream(width, "rms"), CostContext(context_length=length, bytes_per_element=4))


@pytest.mark.parametrize("length", [1, 3, 4, 5, 40, 41])
def test_byte_patches_run_the_layers_once_for_each_patch(length):
    n_patches, n_last = math.ceil(length / 4), (length - 1) % 4 + 1
    layers, full, last = layer_cost(ATTENTION, 16, n_patches), layer_cost(WITHIN, 6, 4), layer_cost(WITHIN, 6, n_last)
    cost = cost_of(PATCHES, length)
    assert cost.state_bytes == layers.state_bytes + last.state_bytes + 4 * n_last + 4 * 16
    within = (n_patches - 1) * full.flops_per_token + last.flops_per_token + length * 2 * 6 * (50 + 16)
    across = layers.flops_per_token + (n_patches - 1) * 2 * 4 * 6 * 16
    assert cost.flops_per_token == math.ceil((within + across) / length)


def test_byte_patches_have_both_tables_and_both_matrices():
    layers, within = layer_cost(ATTENTION, 16, 1).params, layer_cost(WITHIN, 6, 1).params
    between = 2 * 4 * 6 * 16 + 16
    assert cost_of(PATCHES, 8).params == 50 * 6 + between + within + 6 + layers + 16
    untied = PATCHES.model_copy(update={"tie_embeddings": False})
    assert cost_of(untied, 8).params - cost_of(PATCHES, 8).params == 50 * 6


ENCODER = {"mixers": ({"kind": "fnet"},)}
UNFIT = {"kind": "attention", "n_heads": 3, "n_kv_heads": 2, "head_dim": 4}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"input": {**PATCHES.model_dump(), "within": (ENCODER,)}}, r"input\.within\[0\]: sees later bytes"),
        (
            {"input": {**PATCHES.model_dump(), "d_byte": 4, "within": ({"mixers": (UNFIT,)},)}},
            r"input\.within\[0\]\.mixers\[0\]",
        ),
        ({"input": PATCHES, "core": (ENCODER,)}, "'byte_patch' decodes patch by patch"),
        ({"input": PATCHES, "n_meta": 1}, "n_meta: byte patches have a learned start"),
        ({"input": PATCHES, "mtp": {}}, "mtp: predicts tokens, and input is 'byte_patch'"),
        ({"input": ContinuousInput(n_channels=1), "next_latent": {"d_hidden": 8}}, "next_latent: predicts tokens"),
        ({"mtp": {}, "core": (ENCODER,)}, "mtp: predicts later tokens"),
    ],
)
def test_input_refuses_what_it_cannot_be_combined_with(fields, words):
    with pytest.raises(ValidationError, match=words):
        Architecture.model_validate({"d_model": 16, "core": (ATTENTION,), **fields})
