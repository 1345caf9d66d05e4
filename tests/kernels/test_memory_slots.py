"""The memory against the published equations of the neural Turing machine and of DNC's allocation, written again in numpy."""

import numpy as np
import pytest
import torch

from kernels.memory_slots import Addresses, Gates, allocated_memory_slots, allocation, memory_slots, unit

B, T, M, W, R = 2, 12, 5, 4, 3


def make_numbers():
    """What one layer would give the kernel, in float64: keys, their strengths, erase, add, gates, memory and usage."""
    random = np.random.default_rng(0)
    return {
        "write_key": random.normal(size=(B, T, W)),
        "write_strength": 1 + random.exponential(2.0, size=(B, T)),
        "erase": random.uniform(size=(B, T, W)),
        "add": random.normal(size=(B, T, W)),
        "read_key": random.normal(size=(B, T, R, W)),
        "read_strength": 1 + random.exponential(2.0, size=(B, T, R)),
        "write_gate": random.uniform(size=(B, T)),
        "allocation_gate": random.uniform(size=(B, T)),
        "free": random.uniform(size=(B, T, R)),
        "memory": random.normal(size=(B, M, W)),
        "usage": random.uniform(size=(B, M)),
    }


def content_weights(memory, key, strength):
    """C(M, k, beta)[i]: the softmax over slots of beta times the cosine of k and M[i]."""
    cosines = np.array([slot @ key / (np.linalg.norm(slot) * np.linalg.norm(key)) for slot in memory])
    scores = np.exp(strength * cosines)
    return scores / scores.sum()


def published_allocation(usage):
    """a[phi_j] = (1 - u[phi_j]) prod_{i < j} u[phi_i], phi the slots by usage."""
    weights, product = np.zeros_like(usage), 1.0
    for slot in np.argsort(usage, kind="stable"):
        weights[slot] = (1 - usage[slot]) * product
        product *= usage[slot]
    return weights


def published(numbers, with_allocation):
    """Reads [B, T, R, W], memory and usage, slot by slot and token by token."""
    x, reads = {name: values.copy() for name, values in numbers.items()}, np.zeros((B, T, R, W))
    for b in range(B):
        memory, usage = x["memory"][b], x["usage"][b]
        for t in range(T):
            write = content_weights(memory, x["write_key"][b, t], x["write_strength"][b, t])
            if with_allocation:
                choice = x["allocation_gate"][b, t]
                write = x["write_gate"][b, t] * (choice * published_allocation(usage) + (1 - choice) * write)
            for slot in range(M):
                memory[slot] = memory[slot] * (1 - write[slot] * x["erase"][b, t]) + write[slot] * x["add"][b, t]
            usage[:] = usage + write - usage * write
            for head in range(R):
                read = content_weights(memory, x["read_key"][b, t, head], x["read_strength"][b, t, head])
                reads[b, t, head] = sum(read[slot] * memory[slot] for slot in range(M))
                usage[:] = usage * (1 - x["free"][b, t, head] * read)
    return reads, x["memory"], x["usage"]


def kernel_inputs(numbers):
    x = {name: torch.from_numpy(values) for name, values in numbers.items()}
    addresses = Addresses(
        unit(x["write_key"]) * x["write_strength"][..., None],
        x["erase"],
        x["add"],
        unit(x["read_key"]) * x["read_strength"][..., None],
    )
    return addresses, Gates(x["write_gate"], x["allocation_gate"], x["free"]), x["memory"], x["usage"]


def test_memory_is_the_published_one():
    numbers = make_numbers()
    addresses, _, memory, _ = kernel_inputs(numbers)
    reads, expected_memory, _ = published(numbers, with_allocation=False)
    found_reads, found_memory = memory_slots(addresses, memory)
    assert np.allclose(found_reads, reads, atol=1e-5)
    assert np.allclose(found_memory, expected_memory, atol=1e-5)


def test_memory_with_allocation_is_the_published_one():
    numbers = make_numbers()
    found = allocated_memory_slots(*kernel_inputs(numbers))
    for found_part, expected in zip(found, published(numbers, with_allocation=True), strict=True):
        assert np.allclose(found_part, expected, atol=1e-4)
    without = published(numbers, with_allocation=False)[0]
    assert not np.allclose(found[0], without, atol=1e-2)


@pytest.mark.parametrize("usage", [[0.3, 0.9, 0.1, 0.5], [0.2, 0.2, 0.7, 0.2], [1.0, 1.0, 1.0, 1.0]])
def test_allocation_is_the_published_one(usage):
    found = allocation(torch.tensor([usage], dtype=torch.float64))
    assert np.allclose(found[0], published_allocation(np.array(usage)), atol=1e-5)


def test_unused_slots_are_allocated_first_in_order():
    assert torch.allclose(allocation(torch.zeros(1, 4)), torch.tensor([[1.0, 0.0, 0.0, 0.0]]), atol=1e-5)
    assert torch.allclose(allocation(torch.tensor([[1.0, 0.0, 0.0, 1.0]])), torch.tensor([[0.0, 1.0, 0.0, 0.0]]), atol=1e-5)


def test_gradients_are_right():
    addresses, gates, *state = kernel_inputs(make_numbers())
    tokens = [x[:1, :3] for x in (*vars(addresses).values(), *vars(gates).values())]
    inputs = [x.clone().requires_grad_() for x in (*tokens, *(x[:1] for x in state))]
    assert torch.autograd.gradcheck(lambda *x: allocated_memory_slots(Addresses(*x[:4]), Gates(*x[4:7]), *x[7:]), inputs)
