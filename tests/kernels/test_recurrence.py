"""The recurrence: its chunked form against its float64 definition, and the definition against closed forms and others."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kernels.dispatch import force
from kernels.recurrence import recurrence
from tests.kernels.accuracy import assert_equals_definition, each, in_float64, outputs_and_gradients

LENGTHS = [1, 7, 63, 64, 100, 257, 1024]
DECAYS = ["none", "fixed", "step", "vector"]


def make_inputs(length, decay, delta, *, groups=2, strength=1.0):
    """q, k, v, log decay, beta and state for 2 sequences, 4 heads, keys of 6 and values of 10."""
    generator = torch.Generator().manual_seed(length)
    heads, key_dim, value_dim = 4, 6, 10

    def normal(*shape: int) -> Tensor:
        return torch.randn(2, *shape, generator=generator)

    log_decay = {
        "none": None,
        "fixed": torch.log1p(-torch.exp2(-5.0 - torch.arange(heads))).expand(2, length, -1).clone(),
        "step": -strength * F.softplus(normal(length, heads)),
        "vector": -strength * F.softplus(normal(length, groups, key_dim)),
    }[decay]
    q, k = normal(length, groups, key_dim), F.normalize(normal(length, groups, key_dim), dim=-1)
    beta = normal(length, heads).sigmoid() if delta else None
    return [q, k, normal(length, heads, value_dim), log_decay, beta, normal(heads, key_dim, value_dim)]


@pytest.mark.parametrize("delta", [False, True], ids=["add", "delta"])
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("length", LENGTHS)
def test_recurrence_chunked_equals_definition(length, decay, delta):
    assert_equals_definition(recurrence, make_inputs(length, decay, delta))


@pytest.mark.parametrize("delta", [False, True], ids=["add", "delta"])
@pytest.mark.parametrize("decay", ["step", "vector"])
@pytest.mark.parametrize("strength", [0.0, 20.0, 200.0])
@pytest.mark.parametrize("groups", [1, 4])
def test_recurrence_keeps_extreme_decays_exact(decay, delta, strength, groups):
    assert_equals_definition(recurrence, make_inputs(100, decay, delta, strength=strength, groups=groups))


@pytest.mark.parametrize("decay", ["step", "vector"])
def test_recurrence_remembers_little_after_forgetting_all(decay):
    """Small decays right after a total one: differences of running sums would lose them."""
    inputs = make_inputs(96, decay, False, strength=0.01)
    inputs[3][:, ::5] = -1e4
    assert_equals_definition(recurrence, inputs)


@pytest.mark.parametrize("delta", [False, True], ids=["add", "delta"])
@pytest.mark.parametrize("decay", ["step", "vector"])
def test_recurrence_forgets_everything_at_minus_infinity(decay, delta):
    inputs = make_inputs(70, decay, delta)
    inputs[3][:, 40] = float("-inf")
    found, _ = recurrence(*inputs)
    after = each(inputs[:5], lambda x: x[:, 40:])
    fresh, _ = recurrence(*after)
    assert torch.allclose(found[:, 40:], fresh, atol=1e-5)
    assert all(x.isfinite().all() for x in outputs_and_gradients(recurrence, inputs)[:2])


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("delta", [False, True], ids=["add", "delta"])
def test_recurrence_continues_from_a_state(decay, delta):
    *inputs, state = make_inputs(100, decay, delta)
    whole, last = recurrence(*[*inputs, state])
    left, middle = recurrence(*[*each(inputs, lambda x: x[:, :37]), state])
    right, end = recurrence(*[*each(inputs, lambda x: x[:, 37:]), middle])
    assert torch.allclose(torch.cat([left, right], dim=1), whole, atol=1e-5)
    assert torch.allclose(end, last, atol=1e-5)


@pytest.mark.parametrize("form", ["reference", "chunked"])
def test_recurrence_equals_quadratic_attention_with_decay(form):
    q, k, v, log_decay, *_ = each(make_inputs(90, "step", False, groups=4), in_float64)
    sums = log_decay.cumsum(1).transpose(1, 2)
    mask = (sums[..., :, None] - sums[..., None, :]).exp().tril()
    expected = torch.einsum("bihk,bjhk,bhij,bjhv->bihv", q, k, mask, v)
    with force(form):
        found, state = recurrence(q, k, v, log_decay)
    assert torch.allclose(found, expected, atol=1e-12)
    to_end = (sums[..., -1:] - sums).exp()
    assert torch.allclose(state, torch.einsum("bhj,bjhk,bjhv->bhkv", to_end, k, v), atol=1e-12)


@pytest.mark.parametrize("form", ["reference", "chunked"])
def test_recurrence_equals_quadratic_attention_with_decay_per_key(form):
    inputs = make_inputs(40, "vector", False, groups=4, strength=0.3)
    q, k, v, log_decay, *_ = each(inputs, in_float64)
    sums = log_decay.cumsum(1)
    scores = torch.einsum("bihk,bjhk->bhij", q * sums.exp(), k * (-sums).exp()).tril()
    with force(form):
        found, _ = recurrence(q, k, v, log_decay)
    assert torch.allclose(found, torch.einsum("bhij,bjhv->bihv", scores, v), atol=1e-10)


def test_recurrence_delta_rule_replaces_the_value_of_a_key():
    """Writing a second value for the same unit key with beta 1 leaves only the second."""
    key = F.normalize(torch.tensor([[[[1.0, 2.0, 2.0]]]]), dim=-1).expand(1, 2, 1, 3)
    values = torch.tensor([[[[1.0, 5.0]], [[7.0, -3.0]]]])
    read, _ = recurrence(key, key, values, None, torch.ones(1, 2, 1))
    assert torch.allclose(read, values, atol=1e-6)


@pytest.mark.parametrize("decay", DECAYS)
def test_recurrence_is_causal(decay):
    inputs = make_inputs(100, decay, True)
    before, _ = recurrence(*inputs)
    each(inputs[:5], lambda x: x[:, 61:].mul_(0.5))
    after, _ = recurrence(*inputs)
    assert torch.allclose(before[:, :61], after[:, :61], atol=1e-6)
    assert not torch.allclose(before[:, 61:], after[:, 61:], atol=1e-3)


def test_recurrence_keeps_the_values_dtype_and_accumulates_in_float32():
    inputs = each(make_inputs(100, "step", True), Tensor.bfloat16)
    out, state = recurrence(*inputs)
    assert (out.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    truth, _ = recurrence(*each(inputs, in_float64))
    assert (out.double() - truth).norm() <= 4e-3 * truth.norm()  # the rounding of the outputs to 8 bits


def test_recurrence_takes_strided_inputs_and_repeats_bit_for_bit():
    inputs = make_inputs(100, "vector", True)
    strided = each(inputs, lambda x: x.transpose(0, 1).contiguous().transpose(0, 1))
    first, second = outputs_and_gradients(recurrence, inputs), outputs_and_gradients(recurrence, strided)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("position", "shape"), [(1, (2, 9, 2, 5)), (3, (2, 9, 3)), (4, (2, 9, 2)), (5, (2, 4, 6, 9)), (0, (2, 9, 3, 6))]
)
def test_recurrence_refuses_shapes_that_do_not_fit(position, shape):
    inputs = make_inputs(9, "step", True)
    inputs[position] = torch.zeros(shape)
    with pytest.raises(ValueError, match="must be"):
        recurrence(*inputs)
