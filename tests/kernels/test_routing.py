"""Routing: which experts are chosen, how they are balanced, and the fast forms of experts against their definition."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kernels.dispatch import force
from kernels.routing import (
    balance_loss,
    block_rows,
    choose_by_biased_sigmoid,
    choose_by_softmax,
    expert_loads,
    experts,
)
from tests.kernels.accuracy import assert_equals_definition, outputs_and_gradients


def make_inputs(tokens, n_experts, top_k, width, d_model=12):
    generator = torch.Generator().manual_seed(tokens)
    logits = torch.randn(tokens, n_experts, generator=generator)
    weights, chosen = choose_by_softmax(logits, top_k)
    w_in = torch.randn(n_experts, d_model, 2 * width, generator=generator) / d_model**0.5
    w_out = torch.randn(n_experts, width, d_model, generator=generator) / width**0.5
    return [torch.randn(tokens, d_model, generator=generator), weights, chosen, w_in, w_out]


def run(x: Tensor, weights: Tensor, chosen: Tensor, w_in: Tensor, w_out: Tensor) -> list[Tensor]:
    return [experts(x, weights, chosen, w_in, w_out)]


def in_form(name: str) -> Callable[..., list[Tensor]]:
    """`run` in that form, but for the float64 truth, which is the definition."""

    def forced(*inputs: Tensor) -> list[Tensor]:
        if inputs[0].dtype == torch.float64:
            return run(*inputs)
        with force(name):
            return run(*inputs)

    return forced


@pytest.mark.parametrize(
    ("tokens", "n_experts", "top_k", "width"),
    [(1, 8, 2, 5), (3, 64, 4, 6), (50, 4, 4, 7), (100, 2, 1, 8), (257, 16, 3, 9), (1024, 4, 2, 8)],
)
def test_experts_blocked_equals_definition(tokens, n_experts, top_k, width):
    assert_equals_definition(in_form("blocked"), make_inputs(tokens, n_experts, top_k, width))


@pytest.mark.parametrize(("tokens", "n_experts", "top_k", "width"), [(64, 2, 2, 4), (100, 25, 1, 8), (257, 16, 3, 12)])
def test_experts_grouped_equals_definition(tokens, n_experts, top_k, width):
    assert_equals_definition(in_form("grouped"), make_inputs(tokens, n_experts, top_k, width))


@pytest.mark.parametrize("expert", [0, 6])
@pytest.mark.parametrize("form", ["blocked", "grouped"])
def test_experts_equals_definition_when_all_choose_one(form, expert):
    inputs = make_inputs(90, 7, 1, 8)
    inputs[2] = torch.full((90, 1), expert)
    assert_equals_definition(in_form(form), inputs)


@pytest.mark.parametrize(("tokens", "width", "dtype"), [(1, 8, torch.float32), (64, 7, torch.float32), (64, 8, torch.float64)])
def test_experts_does_without_the_grouped_product_where_torch_has_none(tokens, width, dtype):
    """Few tokens, rows that are not a multiple of 16 bytes, and float64."""
    inputs = [x.to(dtype) if x.is_floating_point() else x for x in make_inputs(tokens, 8, 2, width)]
    with force("grouped"), pytest.raises(ValueError, match="no form 'grouped'"):
        run(*inputs)
    with force("blocked"):
        blocked = run(*inputs)[0]
    assert torch.equal(run(*inputs)[0], blocked)


@pytest.mark.parametrize("width", [7, 8])
def test_experts_repeat_bit_for_bit(width):
    inputs = make_inputs(513, 8, 3, width)
    first, second = outputs_and_gradients(run, inputs), outputs_and_gradients(run, inputs)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_experts_refuses_weights_that_do_not_fit():
    x, weights, chosen, w_in, _ = make_inputs(4, 3, 1, 5)
    with pytest.raises(ValueError, match="do not fit"):
        experts(x, weights, chosen, w_in, torch.zeros(3, 6, 12))


@pytest.mark.parametrize(("n_choices", "n_experts", "rows"), [(1, 8, 1), (31, 4, 1), (32, 4, 2), (2048, 8, 64), (10**6, 2, 64)])
def test_block_rows_follow_the_mean_load(n_choices, n_experts, rows):
    assert block_rows(n_choices, n_experts) == rows


def test_choose_by_softmax_weights_sum_to_one_over_the_largest():
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0]])
    weights, chosen = choose_by_softmax(logits, 2)
    assert chosen.tolist() == [[1, 3]]
    assert torch.allclose(weights, logits.softmax(-1)[:, [1, 3]] / logits.softmax(-1)[:, [1, 3]].sum())


def test_choose_by_biased_sigmoid_moves_the_choice_and_not_the_weight():
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0]])
    weights, chosen = choose_by_biased_sigmoid(logits, torch.tensor([1.0, 0.0, 0.0, 0.0]), 2)
    assert chosen.tolist() == [[0, 1]]
    assert torch.allclose(weights, logits[:, [0, 1]].sigmoid())


def test_expert_loads_count_every_choice():
    assert expert_loads(torch.tensor([[0, 2], [2, 3], [2, 0]]), 5).tolist() == [2, 0, 3, 1, 0]


def test_balance_loss_is_one_when_balanced_and_n_experts_when_collapsed():
    balanced = balance_loss(torch.zeros(4, 4), torch.arange(4)[:, None])
    collapsed = balance_loss(torch.tensor([[50.0, 0, 0, 0]]).expand(8, -1), torch.zeros(8, 1, dtype=torch.long))
    assert float(balanced) == pytest.approx(1.0)
    assert float(collapsed) == pytest.approx(4.0)


def test_balance_loss_pushes_scores_away_from_the_loaded_expert():
    logits = torch.zeros(8, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(balance_loss(logits, torch.zeros(8, 1, dtype=torch.long)), logits)
    assert (gradient[:, 0] > 0).all()
    assert (gradient[:, 1:] < 0).all()
