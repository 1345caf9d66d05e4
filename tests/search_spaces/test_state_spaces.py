"""Mamba-1, S4D, H3 and Hyena: their costs against the published formulas, what they refuse, and their labels."""

import pytest
from pydantic import ValidationError

from search_spaces.primitives import CostContext
from search_spaces.primitives.h3 import H3
from search_spaces.primitives.hyena import Hyena
from search_spaces.primitives.mamba import Mamba
from search_spaces.primitives.s4d import S4D
from tests.search_spaces.examples import D_MODEL, architecture_of

CONTEXT = CostContext(context_length=100, bytes_per_element=2)


@pytest.mark.parametrize(("d", "expand", "size", "width", "rank"), [(64, 2, 16, 4, None), (96, 1, 8, 3, 11)])
def test_mamba_costs_the_published_formulas(d, expand, size, width, rank):
    cost = Mamba(expand=expand, state_size=size, conv_width=width, dt_rank=rank).cost(d, CONTEXT)
    inner, low = expand * d, rank or d // 16
    projections = 2 * d * inner + inner * (low + 2 * size) + low * inner + inner * d
    assert cost.params == projections + inner * width + 3 * inner + inner * size
    assert cost.state_bytes == 2 * inner * (size + width)
    assert cost.flops_per_token == 2 * projections + 2 * inner * width + 4 * inner * size
    normed = Mamba(expand=expand, state_size=size, conv_width=width, dt_rank=rank, bcdt_norm=True).cost(d, CONTEXT)
    assert normed.params == cost.params + low + 2 * size


def test_s4d_costs_the_published_formulas():
    cost = S4D(state_size=16).cost(64, CONTEXT)
    assert cost.params == 64 * (2 * 16 + 2) + 2 * 64**2 + 2 * 64
    assert cost.state_bytes == 2 * 64 * 16
    assert cost.flops_per_token == 2 * 2 * 64**2 + 2 * 64 * 16


def test_h3_state_grows_with_the_head():
    single, heads = (H3(state_size=16, head_dim=head_dim).cost(64, CONTEXT) for head_dim in (1, 8))
    assert single.params == 4 * 64**2 + 64 * 4 + 64 * (2 * 16 + 2)
    assert heads.params == 4 * 64**2 + 64 * 4 + 8 * (2 * 16 + 2)
    assert single.state_bytes == 2 * 64 * (16 + 4)
    assert heads.state_bytes == 2 * 64 * (8 * 16 + 4)


def test_hyena_keeps_all_inputs_and_its_filters():
    d, f = 64, 16
    cost = Hyena(order=2, filter_order=f, emb_dim=5).cost(d, CONTEXT)
    network = 5 * f + 2 * f * f + f * 2 * d
    assert cost.params == 4 * d * d + 3 * d * 3 + 3 * d + network + 3 * f + f + 2 * d
    assert cost.state_bytes == 2 * (2 * 2 * d * 100 + 3 * d * 3)
    # token t takes t products for each of the 2 d filters
    assert cost.flops_per_token == 2 * (4 * d * d + 3 * d * 3 + network) + 2 * d * 2 * sum(range(1, 101)) // 100


@pytest.mark.parametrize(
    ("primitive", "field"),
    [
        (S4D(state_size=5), "state_size"),
        (S4D(min_step=0.2), "min_step"),
        (H3(state_size=3), "state_size"),
        (H3(head_dim=5), "head_dim"),
        (Hyena(emb_dim=4), "emb_dim"),
    ],
)
def test_state_spaces_name_the_impossible_field(primitive, field):
    problems = list(primitive.problems(D_MODEL))
    assert [problem.field for problem in problems] == [field]
    assert len(problems[0].reason) > 10
    with pytest.raises(ValidationError, match=field):
        architecture_of(primitive)


@pytest.mark.parametrize(
    ("label", "primitive"),
    [
        ("mamba·2x16", Mamba()),
        ("mamba·1x8n", Mamba(expand=1, state_size=8, bcdt_norm=True)),
        ("s4d·64", S4D()),
        ("s4d·8inv", S4D(state_size=8, frequencies="inverse")),
        ("h3·64", H3()),
        ("h3·16x8", H3(state_size=16, head_dim=8)),
        ("hyena3·16", Hyena(order=3, filter_order=16)),
    ],
)
def test_state_spaces_have_short_labels(label, primitive):
    assert primitive.label() == label
