"""Routing: which experts are chosen, how they are balanced, and the blocked experts against their definition."""

import pytest
import torch
from torch import Tensor

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


@pytest.mark.parametrize(
    ("tokens", "n_experts", "top_k", "width"),
    [(1, 8, 2, 5), (3, 64, 4, 6), (50, 4, 4, 7), (100, 2, 1, 8), (257, 16, 3, 9), (1024, 4, 2, 8)],
)
def test_experts_blocked_equals_definition(tokens, n_experts, top_k, width):
    assert_equals_definition(run, make_inputs(tokens, n_experts, top_k, width))


@pytest.mark.parametrize("expert", [0, 6])
def test_experts_blocked_equals_definition_when_all_choose_one(expert):
    inputs = make_inputs(90, 7, 1, 5)
    inputs[2] = torch.full((90, 1), expert)
    assert_equals_definition(run, inputs)


def test_experts_repeat_bit_for_bit():
    inputs = make_inputs(513, 8, 3, 7)
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
