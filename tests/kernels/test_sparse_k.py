"""SPARSEK: the gates against bisection in float64, the kernel against a loop over tokens, and a stream with a bounded cache."""

import pytest
import torch

from kernels.attention import TILE, Softmax
from kernels.dispatch import force
from kernels.sparse_k import at_places, gates, sparse_k_attention, still_needed
from tests.kernels.accuracy import assert_equals_definition

T, H, G, D = 30, 4, 2, 8


def make_inputs(length=T, spread=1.0):
    generator = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(2, length, heads, D, generator=generator) for heads in (H, G, G))
    return [q, k, v, spread * torch.randn(2, length, G, generator=generator)]


def gates_by_bisection(u, total):
    """clip(u - tau, 0, 1) with the tau at which they sum to `total`."""
    low, high = u.min() - 2, u.max() + 1
    for _ in range(100):
        tau = (low + high) / 2
        low, high = (tau, high) if (u - tau).clamp(0, 1).sum() > total else (low, tau)
    return (u - low).clamp(0, 1)


@pytest.mark.parametrize("spread", [0.01, 0.3, 1.0, 20.0])
@pytest.mark.parametrize("size", [2, 3, 9])
def test_gates_are_those_of_the_published_operator(size, spread):
    u = spread * torch.randn(40, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    expected = torch.stack([gates_by_bisection(row, size - 1) for row in u])
    assert torch.allclose(gates(u), expected, atol=1e-12)
    # the projection onto {0 <= p <= 1, sum p = K}: no other point of the set is nearer to u
    other = expected.roll(1, dims=0)
    assert ((gates(u) - u).square().sum(-1) <= (other - u).square().sum(-1) + 1e-12).all()


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 1e9), (torch.bfloat16, 512.0)])
def test_gates_of_scores_too_great_to_count_one_beside_them(dtype, size):
    u = torch.tensor([size, 0.0, -size], dtype=dtype)
    assert gates(u).tolist() == [1, 1, 0]


def test_gates_of_a_model_that_diverged_are_not_numbers():
    assert gates(torch.full((2, 4), float("nan"))).isnan().all()


def test_gates_give_scores_a_gradient():
    u = torch.tensor([0.1, 0.4, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(gates, (u,))


@pytest.mark.parametrize("spread", [0.3, 3.0])
@pytest.mark.parametrize(("top_k", "window"), [(1, 1), (4, 3), (40, 5), (3, 40)])
def test_reference_equals_a_loop(top_k, window, spread):
    q, k, v, u = (x.double() for x in make_inputs(spread=spread))
    with force("reference"):
        found = sparse_k_attention(q, k, v, u, top_k, window)
    for t in range(T):
        for head in range(H):
            group = head // (H // G)
            far = sorted(range(max(0, t - window + 1)), key=lambda j: (-u[0, j, group].item(), j))
            pool = u[0, far[: top_k + 1], group]
            p = gates_by_bisection(pool, top_k) if len(pool) > top_k else torch.ones(len(pool), dtype=torch.float64)
            seen = far[:top_k] + list(range(max(0, t - window + 1), t + 1))
            gate = torch.cat([p[:top_k], torch.ones(len(seen) - len(far[:top_k]), dtype=torch.float64)])[:, None]
            weights = (gate * k[0, seen, group] @ q[0, t, head] / D**0.5).softmax(0)
            assert torch.allclose(found[0, t, head], weights @ (gate * v[0, seen, group]), atol=1e-9)


@pytest.mark.parametrize("softmax", [Softmax(), Softmax(2.0, torch.tensor([0.5, -1.0, 2.0, 0.0]))], ids=["plain", "sink"])
@pytest.mark.parametrize("length", [1, 6, T, 2 * TILE + 3])
def test_kernel_equals_definition(length, softmax):
    assert_equals_definition(lambda q, k, v, u: [sparse_k_attention(q, k, v, u, 4, 3, softmax)], make_inputs(length))


@pytest.mark.parametrize(("top_k", "window"), [(1, 1), (4, 3), (2, 8)])
@pytest.mark.parametrize("levels", [None, 3], ids=["distinct", "tied"])
def test_a_stream_with_a_bounded_cache_equals_the_whole(top_k, window, levels):
    q, k, v, u = make_inputs()
    if levels is not None:
        u = (u * levels).round() / levels
    whole = sparse_k_attention(q, k, v, u, top_k, window)
    kept, start = [k[:, :0], v[:, :0], u[:, :0]], 0
    for length in [1] * 12 + [7, 1, 10]:
        new = slice(start, start + length)
        kept = [torch.cat([held, x[:, new]], dim=1) for held, x in zip(kept, (k, v, u), strict=True)]
        k_kept, v_kept, u_kept = kept
        assert torch.allclose(sparse_k_attention(q[:, new], k_kept, v_kept, u_kept, top_k, window), whole[:, new], atol=1e-6)
        places = still_needed(u_kept, top_k, window)
        kept = kept if places is None else [at_places(x, places) for x in kept]
        start += length
        assert kept[0].shape[1] == min(start, top_k + window)


def test_many_queries_after_others_equal_the_whole():
    q, k, v, u = make_inputs(2 * TILE + 3)
    whole = sparse_k_attention(q, k, v, u, 4, 3)
    assert torch.allclose(sparse_k_attention(q[:, 20:], k, v, u, 4, 3), whole[:, 20:], atol=1e-6)


def test_equal_scores_keep_the_earlier():
    q, k, v, _ = make_inputs(6)
    u = torch.zeros(2, 6, G)
    found = sparse_k_attention(q, k, v, u, 2, 1)
    changed = k.clone()
    changed[:, 2:5] += 1
    assert torch.allclose(sparse_k_attention(q, changed, v, u, 2, 1)[:, 5], found[:, 5], atol=1e-6)


def test_shapes_that_do_not_fit_are_refused():
    q, k, v, u = make_inputs(5)
    with pytest.raises(ValueError, match="do not fit"):
        sparse_k_attention(q, k, v, u[:, :4], 2, 2)
