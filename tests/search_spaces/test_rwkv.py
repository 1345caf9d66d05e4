"""The RWKV family and RG-LRU: costs against published formulas, impossible sizes, labels."""

import pytest
from pydantic import ValidationError

from search_spaces.primitives import CostContext
from search_spaces.primitives.rg_lru import RGLRU
from search_spaces.primitives.rwkv4 import RWKV4
from search_spaces.primitives.rwkv6 import RWKV6
from search_spaces.primitives.rwkv7 import RWKV7
from search_spaces.primitives.rwkv_channel import RWKVChannel
from tests.search_spaces.examples import EXAMPLES, architecture_of

CONTEXT = CostContext(context_length=100, bytes_per_element=4)


def test_rwkv4_costs_the_published_formulas():
    d, f = 64, 200
    mixer, channel = RWKV4().cost(d, CONTEXT), RWKVChannel(d_ff=f).cost(d, CONTEXT)
    assert mixer.params == 4 * d**2 + 5 * d
    assert channel.params == 2 * d * f + d**2 + 2 * d
    assert mixer.state_bytes + channel.state_bytes == 5 * d * 4
    assert (mixer.flops_per_token, channel.flops_per_token) == (8 * d**2, 4 * d * f + 2 * d**2)


def test_rwkv7_keeps_the_published_state():
    """Two layers of width 64 with heads of 32: matrices, and a token for each of both mixes."""
    mixer, channel = RWKV7(n_heads=2, head_dim=32).cost(64, CONTEXT), RWKVChannel(d_ff=256).cost(64, CONTEXT)
    assert 2 * (mixer.state_bytes + channel.state_bytes) == 17408


def test_rwkv7_costs_its_matrices_and_vectors():
    d, heads, size, ranks = 64, 3, 16, (8, 6, 4)
    cost = RWKV7(n_heads=heads, head_dim=size, decay_rank=8, replace_rank=6, gate_rank=4).cost(d, CONTEXT)
    width = heads * size
    assert cost.params == 4 * d * width + sum(ranks) * (d + width) + 6 * d + 7 * width
    assert cost.flops_per_token == 8 * d * width + 2 * sum(ranks) * (d + width) + heads * 8 * size**2


def test_rwkv6_costs_more_where_the_data_decides():
    d, width, size = 64, 48, 16
    plain = RWKV6(n_heads=3, head_dim=size).cost(d, CONTEXT)
    assert plain.params == 5 * d * width + 4 * d + 4 * width
    assert plain.flops_per_token == 10 * d * width + 3 * 4 * size**2
    decays = RWKV6(n_heads=3, head_dim=size, decay_rank=8).cost(d, CONTEXT)
    assert decays.params - plain.params == d + 8 * (d + width)
    both = RWKV6(n_heads=3, head_dim=size, decay_rank=8, shift_rank=4).cost(d, CONTEXT)
    assert both.params - decays.params == d + 5 * 4 * 2 * d
    assert both.state_bytes == plain.state_bytes == (d + 3 * size**2) * 4


@pytest.mark.parametrize("n_blocks", [1, 4])
def test_rg_lru_costs_the_published_formula(n_blocks):
    d, w, c = 64, 48, 3
    cost = RGLRU(width=w, n_blocks=n_blocks, conv_width=c).cost(d, CONTEXT)
    assert cost.params == 2 * (d * w + w) + w * c + w + 2 * (w**2 // n_blocks + w) + w + w * d + d
    assert cost.state_bytes == (w + w * c) * 4


def test_rg_lru_names_blocks_that_do_not_divide():
    primitive = RGLRU(width=40, n_blocks=3)
    assert [problem.field for problem in primitive.problems(32)] == ["n_blocks"]
    with pytest.raises(ValidationError, match="n_blocks"):
        architecture_of(primitive)


@pytest.mark.parametrize(("kind", "sizes"), [(RWKV6, {"n_heads": 2}), (RWKV7, {"n_heads": 2})])
def test_rwkv_refuses_heads_that_have_no_spread(kind, sizes):
    """The norm of a head of one channel is a constant."""
    with pytest.raises(ValidationError, match="head_dim"):
        kind(head_dim=1, **sizes)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("rwkv4", "rwkv4"),
        ("rwkv4·20", "rwkv4_width"),
        ("rwkv5·4x8", "rwkv5"),
        ("rwkv6·4x8", "rwkv6"),
        ("rwkv7·4x8", "rwkv7"),
        ("rglru·40/4", "rg_lru_blocks"),
        ("rwkv-ffn40", "rwkv_channel"),
    ],
)
def test_rwkv_label_names_version_and_sizes(label, name):
    assert EXAMPLES[name].label() == label
