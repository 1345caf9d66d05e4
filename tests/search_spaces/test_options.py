"""What words and knobs of a space build: fields that no other test looks at."""

from typing import Any

import pytest

from search_spaces.catalogue import ATTENTION_MIXERS, LINEAR_MIXERS, MIXERS
from search_spaces.layer import Layer
from search_spaces.options.channels import OPTIONS as CHANNELS
from search_spaces.options.sharing import share_keys
from search_spaces.primitives import CATALOGUE
from search_spaces.primitives.attention import Attention
from search_spaces.space import Space

Genes = dict[str, list[Any]]

ATTENTION = {"attention_ratio": [1], "depth": [4]}


def built(genes: Genes) -> Any:
    return Space.from_data({"name": "test", "genes": {"d_model": [64], **genes}}).build({})


def mixer_of(genes: Genes) -> Any:
    return built({"depth": [1], "attention_ratio": [1], **genes}).core[0].mixers[0]


def test_options_reach_every_primitive():
    reached = set()
    for name in (*ATTENTION_MIXERS, *LINEAR_MIXERS):
        gene = "attention_mixer" if name in ATTENTION_MIXERS else "linear_mixer"
        ratio = [1] if name in ATTENTION_MIXERS else [0]
        reached.add(built({gene: [name], "attention_ratio": ratio, "depth": [1]}).core[0].mixers[0].kind)
    for name in CHANNELS.keys() - {"none"}:
        reached.add(built({"channel": [name], "depth": [1]}).core[0].channel.kind)
    assert reached == set(CATALOGUE)


def test_options_know_which_mixers_are_encoders():
    encoders = {name for name, option in MIXERS.items() if not option.causal}
    assert encoders == {"bidirectional_attention", "linformer", "fnet"}


@pytest.mark.parametrize(
    ("genes", "fields"),
    [
        ({"window": [16], "n_global": [2]}, {"window": 16, "n_global": 2, "pattern": "dense"}),
        ({"pattern": ["strided"], "stride": [8]}, {"pattern": "strided", "stride": 8, "window": None}),
        ({"pattern": ["fixed"], "stride": [8], "n_summary": [99]}, {"pattern": "fixed", "stride": 8, "n_summary": 8}),
        (
            {"pattern": ["bigbird"], "block_size": [8], "n_random": [2], "n_global_blocks": [3]},
            {"pattern": "bigbird", "block_size": 8, "n_random": 2, "n_global": 3},
        ),
        ({"pattern": ["top_k"], "kept_tokens": [9], "local_window": [4]}, {"top_k": 9, "window": 4}),
        ({"rotary_share": ["quarter"], "soft_cap": [30]}, {"rotary_fraction": 0.25, "soft_cap": 30.0}),
        ({"norm": ["sub"], "sink": [True], "output_gate": [True]}, {"sub_norm": True, "sink": True, "output_gate": True}),
        ({"kv_bits": [4]}, {"kv_bits": 4}),
        ({"attention_mixer": ["mla"], "q_rank": [24], "kv_bits": [8]}, {"q_rank": 24, "kv_bits": 8}),
    ],
)
def test_attention_options_build_what_they_say(genes, fields):
    mixer = mixer_of(genes)
    assert {name: getattr(mixer, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("genes", "fields"),
    [
        ({"rec_decay": ["sigmoid_key"]}, {"decay": "sigmoid", "decay_dim": "key", "decay_rank": None}),
        ({"rec_decay": ["step_key"]}, {"decay": "step", "decay_dim": "key", "decay_rank": 16}),
        ({"rec_write": ["delta2"]}, {"write": "delta", "beta_scale": 2, "qk_norm": True}),
        (
            {"rec_feature_map": ["elu1"], "rec_normaliser": [True], "rec_rope": [True], "rec_gate": ["none"]},
            {"feature_map": "elu1", "normaliser": "sum", "rope": False, "gate": False},
        ),
        ({"rec_groups": ["one"], "linear_heads": [4]}, {"n_heads": 4, "n_groups": 1}),
    ],
)
def test_open_recurrence_builds_what_its_knobs_say(genes, fields):
    mixer = mixer_of({"attention_ratio": [0], "linear_mixer": ["recurrence"], **genes})
    assert {name: getattr(mixer, name) for name in fields} == fields


def test_split_branches_have_half_of_the_channels_each():
    layer = built({"fusion": ["parallel_split"], "linear_mixer": ["gla"], "depth": [1], "attention_ratio": [1]}).core[0]
    assert (layer.fusion, layer.widths) == ("gate", (32, 32))
    assert {mixer.kind: mixer.n_heads for mixer in layer.mixers} == {"attention": 4, "recurrence": 4}


def shared(genes: Genes) -> list[bool]:
    return [layer.mixers[0].share_kv for layer in built({**ATTENTION, **genes}).layers()]


def test_kv_share_groups_the_layers_that_can():
    assert shared({"kv_share": [2]}) == [False, True, False, True]
    assert shared({"kv_share": [3]}) == [False, True, True, False]
    # layers that tokens may skip keep their own, and those around them are grouped without them
    assert shared({"kv_share": [2], "token_capacity": [0.5], "capacity_period": [2]}) == [False, False, True, False]
    assert shared({"kv_share": [2], "pattern": ["strided"]}) == [False] * 4
    assert shared({"kv_share": [4], "n_loops": [2], "loop_depth": ["token_choice"]}) == [False] * 4


def test_loop_kv_is_carried_out_in_the_core_only():
    genes: Genes = {"n_loops": [2], "n_prelude": [1], "n_coda": [1], "loop_kv": ["first"], "loop_window": [8], "kv_share": [2]}
    architecture = built({**ATTENTION, **genes})
    assert [layer.mixers[0].loop_kv for layer in architecture.layers()] == ["own", "first", "first", "own"]
    assert [layer.mixers[0].loop_window for layer in architecture.core] == [8, 8]
    assert not any(layer.mixers[0].share_kv for layer in architecture.layers())


def test_loops_of_a_space_are_those_of_the_architecture():
    genes: Genes = {"n_loops": [3], "eval_loops": [2], "injection": ["concat"], "loop_norm": [True], "step_embedding": [True]}
    architecture = built({**genes, "loop_shift": [True]})
    assert (architecture.n_loops, architecture.n_eval_loops, architecture.injection) == (3, 5, "concat")
    assert (architecture.loop.norm, architecture.loop.step_embedding, architecture.loop.shift) == (True, True, True)


def test_skipped_layers_close_a_period():
    layers = built({"depth": [5], "token_capacity": [0.25], "capacity_period": [2]}).layers()
    assert [layer.capacity for layer in layers] == [None, 0.25, None, 0.25, None]


def test_formats_norms_and_objectives_reach_the_model():
    genes = {"weight_format": ["ternary"], "activation_format": ["int8"], "sparsity": ["2:4"], "norm": ["dyt"]}
    architecture = built({**genes, "n_streams": [3], "n_meta": [4], "mtp": [2], "next_latent": [True]})
    numerics = architecture.numerics
    assert (numerics.weights, numerics.activations, numerics.sparsity) == ("ternary", "int8", "2:4")
    assert (architecture.norm, architecture.n_streams, architecture.n_meta) == ("dyt", 3, 4)
    assert (architecture.mtp.n_tokens, architecture.next_latent.d_hidden) == (2, 64)


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("dense", {"kind": "swiglu", "activation": "silu", "n_active": 32}),
        ("relu2_glu", {"kind": "swiglu", "activation": "relu2", "n_active": 32}),
        ("relu2", {"kind": "relu2", "n_active": 32}),
        ("switch", {"kind": "moe", "top_k": 1, "capacity": 1.5, "normalised": False, "d_expert": 128}),
        ("moe_shared", {"kind": "moe", "n_shared": 1, "n_zero": 1, "shared_gate": True}),
    ],
)
def test_channel_words_build_what_they_say(word, fields):
    knobs: Genes = {"active_neurons": [0.25], "expert_capacity": [1.5], "n_zero": [1], "shared_gate": [True]}
    opened = {
        "dense": ["active_neurons"], "relu2_glu": ["active_neurons"], "relu2": ["active_neurons"],
        "switch": ["expert_capacity"], "moe_shared": ["n_zero", "shared_gate"],
    }[word]  # fmt: skip
    part = built({"channel": [word], **{name: knobs[name] for name in opened}}).core[0].channel
    assert {name: getattr(part, name) for name in fields} == fields


def test_keys_are_shared_among_layers_whose_digest_was_asked_for():
    """Layers may come from a cache: what a document computed of itself is none of its fields."""
    layer = Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=8),))
    assert layer.mixers[0].digest
    assert layer.mixers[0].canonical_json()
    (first, second), _, _ = share_keys(((layer, layer), (), ()), {"kv_share": 2, "n_loops": 1})
    assert first == layer
    mixer = second.mixers[0]
    assert isinstance(mixer, Attention)
    assert mixer.share_kv
