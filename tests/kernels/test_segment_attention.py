"""Attention with a segment memory: the banded form against the definition, and the definition against a loop over tokens."""

import pytest
import torch

from kernels.dispatch import force
from kernels.segment_attention import reach, segment_attention, sinusoids
from tests.kernels.accuracy import assert_equals_definition

B, H, D, E = 2, 3, 4, 5
SIZES = [(1, 4, 3), (12, 4, 4), (13, 4, 9), (13, 5, 0), (13, 1, 3), (13, 20, 7), (14, 4, 100)]


def make_inputs(length, segment, memory):
    generator = torch.Generator().manual_seed(0)
    tokens = [(B, length, H, D), (B, length, H, E), *4 * [(B, length, H, D)]]
    shapes = [*tokens, (reach(length, segment, memory), H, E)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def run(segment, memory):
    return lambda content, position, k, v, old_k, old_v, distances: [
        segment_attention(content, position, (k, v), (old_k, old_v), distances, segment, memory)
    ]


@pytest.mark.parametrize(("length", "segment", "memory"), SIZES)
def test_banded_form_equals_definition(length, segment, memory):
    assert_equals_definition(run(segment, memory), make_inputs(length, segment, memory))


@pytest.mark.parametrize(("length", "segment", "memory"), SIZES)
def test_definition_equals_a_loop(length, segment, memory):
    inputs = [x.double() for x in make_inputs(length, segment, memory)]
    content, position, k, v, old_k, old_v, distances = inputs
    with force("reference"):
        (found,) = run(segment, memory)(*inputs)
    for t in range(length):
        start = t // segment * segment
        first = max(0, start - memory)
        keys, values = (torch.cat([old[:, first:start], new[:, start : t + 1]], dim=1) for old, new in ((old_k, k), (old_v, v)))
        scores = torch.einsum("bhd,bshd->bsh", content[:, t], keys)
        scores += torch.einsum("bhe,she->bsh", position[:, t], distances[: t + 1 - first].flip(0))
        expected = torch.einsum("bsh,bshd->bhd", (scores / D**0.5).softmax(1), values)
        assert torch.allclose(found[:, t], expected, atol=1e-12)


def test_sinusoids_are_the_published_table():
    table = sinusoids(torch.arange(4), 5)
    frequencies = 10_000 ** -(torch.tensor([0.0, 2.0, 4.0]) / 5)
    assert torch.allclose(table[3], torch.cat([(3 * frequencies).sin(), (3 * frequencies).cos()])[:5])


def test_position_keys_for_other_distances_are_refused():
    *inputs, distances = make_inputs(13, 4, 9)
    with pytest.raises(ValueError, match="must be for 13 distances"):
        run(4, 9)(*inputs, distances[1:])
