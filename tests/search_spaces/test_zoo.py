import pytest

from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.primitives.moe import MoE
from search_spaces.summary import shares
from search_spaces.zoo import ZOO

CONTEXT = CostContext(context_length=256)


@pytest.mark.parametrize("name", sorted(ZOO))
def test_zoo_entry_is_described(name):
    entry = ZOO[name]
    assert entry.name == name
    assert "arXiv" in entry.source
    assert entry.title
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


@pytest.mark.parametrize(
    ("name", "attention", "mixers"),
    [
        ("transformer", 4, 4),
        ("mamba2", 0, 6),
        ("retnet", 0, 4),
        ("conv_attention", 1, 2),
        ("jamba", 1, 8),
        ("linear_bottom_attention_top", 1, 5),
        ("looped_transformer", 5, 5),
    ],
)
def test_zoo_entry_has_the_published_share_of_attention(name, attention, mixers):
    found = shares(ZOO[name].build())
    assert (found.attention, found.mixers) == (attention, mixers)


def test_zoo_jamba_has_experts_in_every_second_layer():
    layers = ZOO["jamba"].build().layers()
    assert [isinstance(layer.channel, MoE) for layer in layers] == [False, True] * 4
    assert [layer.mixers[0].kind == "attention" for layer in layers].index(True) == 4
