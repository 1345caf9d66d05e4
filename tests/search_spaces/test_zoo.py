from collections.abc import Iterable
from typing import TypeVar

import pytest

from search_spaces.architecture import Architecture, BytePatchInput, Loop, Numerics
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.moe import MoE
from search_spaces.primitives.recurrence import Recurrence
from search_spaces.primitives.swiglu import SwiGLU
from search_spaces.summary import shares
from search_spaces.zoo import ZOO

CONTEXT = CostContext(context_length=256)
NAMED = """
transformer transformer_xl universal_transformer sparse_transformer longformer bigbird linformer performer fnet s4 h3 hyena
striped_hyena mamba mamba2 rwkv4 rwkv6 rwkv7 retnet gla deltanet gated_deltanet switch glam mixtral deepseek_moe deepseek_v3
jamba samba granite4_real granite4_seed hymba zamba minimax kimi_linear qwen3_next linear_bottom_attention_top
looped_transformer loopcoder_v2 mixture_of_recursions mixture_of_depths mixture_of_architectures bitnet ntm memory_network
byte_hierarchical
"""
"""What the literature that this project answers to argues about."""

Part = TypeVar("Part")


def all_of(kind: type[Part], parts: Iterable[object]) -> list[Part]:
    """The parts, every one of which must be of one kind."""
    parts = list(parts)
    found = [part for part in parts if isinstance(part, kind)]
    assert found == parts
    return found


def test_zoo_has_every_named_architecture():
    assert set(NAMED.split()) <= set(ZOO)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_zoo_entry_is_described(name):
    entry = ZOO[name]
    assert entry.name == name
    assert "arXiv" in entry.source
    assert 20 < len(entry.title) <= 90
    assert "\n" not in entry.title
    assert entry.simplified.endswith(".")


@pytest.mark.parametrize("name", sorted(ZOO))
@pytest.mark.parametrize("d_model", [8, 24, 32, 40, 64, 136, 1016, 1024, 1088, 8128, 8192])
def test_zoo_entry_builds_at_a_study_s_width_and_vocabulary(name, d_model):
    architecture = ZOO[name].build(d_model=d_model, vocab_size=300)
    assert (architecture.d_model, architecture.input.n_outputs) == (d_model, 300)
    assert Architecture.from_json(architecture.to_json()).digest == architecture.digest


@pytest.mark.parametrize("name", sorted(ZOO))
def test_zoo_entry_is_a_proxy(name):
    assert 10_000 < price(ZOO[name].build(), CONTEXT).params < 1_000_000


@pytest.mark.parametrize("d_model", [0, 4, 12, 1032, 8256])
def test_zoo_entry_refuses_widths_without_even_heads(d_model):
    with pytest.raises(ValueError, match="multiple of 8 up to 1024, or of 64 up to 8192"):
        ZOO["transformer"].build(d_model=d_model)


def test_zoo_entries_differ():
    assert len({entry.build().digest for entry in ZOO.values()}) == len(ZOO)


@pytest.mark.parametrize("vocab_size", [2, 256, 1_000_000])
def test_zoo_entry_has_the_vocabulary_asked_for(vocab_size):
    assert all(entry.build(vocab_size=vocab_size).input.n_outputs == vocab_size for entry in ZOO.values())


@pytest.mark.parametrize(
    ("name", "attention", "mixers"),
    [
        ("transformer", 4, 4),
        ("transformer_xl", 4, 4),
        ("linformer", 4, 4),
        ("fnet", 0, 4),
        ("mamba2", 0, 6),
        ("retnet", 0, 4),
        ("deepseek_v3", 4, 4),
        ("conv_attention", 1, 2),
        ("striped_hyena", 2, 4),
        ("jamba", 1, 8),
        ("samba", 2, 4),
        ("granite4_real", 1, 10),
        ("granite4_seed", 3, 10),
        ("hymba", 7, 14),
        ("zamba", 2, 9),
        ("nemotron_h", 1, 7),
        ("minimax", 1, 8),
        ("kimi_linear", 1, 4),
        ("qwen3_next", 1, 4),
        ("griffin", 2, 6),
        ("linear_bottom_attention_top", 1, 5),
        ("looped_transformer", 5, 5),
        ("loopcoder_v2", 8, 8),
        ("mixture_of_architectures", 4, 8),
        ("ntm", 0, 2),
    ],
)
def test_zoo_entry_has_the_published_share_of_attention(name, attention, mixers):
    found = shares(ZOO[name].build())
    assert (found.attention, found.mixers) == (attention, mixers)


def test_only_the_encoders_see_later_tokens():
    assert [name for name, entry in ZOO.items() if not entry.build().causal] == ["linformer", "fnet"]


def test_zoo_jamba_has_experts_in_every_second_layer():
    layers = ZOO["jamba"].build().layers()
    assert [isinstance(layer.channel, MoE) for layer in layers] == [False, True] * 4
    assert [layer.mixers[0].is_attention for layer in layers].index(True) == 4


def test_zoo_granite_has_no_positions():
    for name in ("granite4_real", "granite4_seed"):
        mixers = [layer.mixers[0] for layer in ZOO[name].build().layers()]
        assert not any(mixer.rope for mixer in all_of(Attention, (mixer for mixer in mixers if mixer.is_attention)))


def test_zoo_deepseek_v3_balances_small_experts_by_a_bias_and_predicts_two_tokens():
    built = ZOO["deepseek_v3"].build()
    first, *routed = (layer.channel for layer in built.layers())
    assert isinstance(first, SwiGLU)
    assert all((moe.balance, moe.normalised, moe.n_shared) == ("bias", True, 1) for moe in all_of(MoE, routed))
    assert {mixer.kind for layer in built.layers() for mixer in layer.mixers} == {"mla"}
    assert built.mtp is not None
    assert built.mtp.n_tokens == 1


def test_zoo_hymba_shares_keys_between_pairs_of_windowed_layers_that_see_all_meta_tokens():
    built = ZOO["hymba"].build()
    mixers = all_of(Attention, (mixer for layer in built.layers() for mixer in layer.mixers if mixer.is_attention))
    assert [mixer.share_kv for mixer in mixers] == [False, False, True, False, False, True, False]
    assert {mixer.n_global for mixer in mixers if mixer.window} == {built.n_meta} == {8}
    assert {layer.fusion for layer in built.layers()} == {"norm_mean"}


def test_zoo_minimax_forgets_less_in_deeper_layers():
    *linear, softmax = (layer.mixers[0] for layer in ZOO["minimax"].build().layers())
    scales = [mixer.decay_scale for mixer in all_of(Recurrence, linear)]
    assert scales == sorted(scales, reverse=True)
    assert isinstance(softmax, Attention)
    assert softmax.rotary_size * 2 == softmax.head_dim


def test_zoo_loopcoder_reads_the_first_loop_s_keys_one_token_apart():
    built = ZOO["loopcoder_v2"].build()
    assert (built.n_loops, built.loop.shift) == (2, True)
    mixers = all_of(Attention, (layer.mixers[0] for layer in built.core))
    assert {(mixer.loop_kv, mixer.loop_window) for mixer in mixers} == {("first", 32)}


def test_zoo_depth_is_by_token_where_it_is_published_so():
    assert ZOO["universal_transformer"].build().loop == Loop(step_embedding=True, depth="halting")
    assert ZOO["mixture_of_recursions"].build().loop == Loop(depth="expert_choice")
    assert [layer.capacity for layer in ZOO["mixture_of_depths"].build().layers()] == [None, 0.125] * 3


def test_zoo_bitnet_and_bytes_have_their_formats():
    assert ZOO["bitnet"].build().numerics == Numerics(weights="ternary", activations="int8")
    source = ZOO["byte_hierarchical"].build(vocab_size=300).input
    assert isinstance(source, BytePatchInput)
    assert (source.patch_size, source.vocab_size) == (4, 300)
