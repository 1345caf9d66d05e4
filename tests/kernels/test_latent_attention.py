"""Latent attention: all forms are the definition, and the definition is attention over expanded keys and values."""

import pytest
import torch
from torch.nn import functional as F

from kernels.dispatch import force
from kernels.latent_attention import latent_attention

B, H, N, P, V, R = 2, 3, 5, 4, 7, 6


def make_inputs(n_queries, n_cached, n_shared=P):
    generator = torch.Generator().manual_seed(0)
    sizes = [(B, n_queries, H, N + n_shared), (B, n_cached, R + n_shared), (H, N + V, R)]
    return [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]


@pytest.mark.parametrize("form", ["absorbed", "fused"])
@pytest.mark.parametrize(("n_queries", "n_cached"), [(9, 9), (1, 9), (4, 9), (1, 1)])
@pytest.mark.parametrize("n_shared", [P, 0])
def test_form_equals_the_definition(form, n_queries, n_cached, n_shared):
    inputs = make_inputs(n_queries, n_cached, n_shared)
    with force("reference"):
        expected = latent_attention(*inputs)
    with force(form):
        assert torch.allclose(latent_attention(*inputs), expected, atol=1e-12)


def test_definition_is_attention_over_what_the_latents_expand_to():
    q, cache, expand = make_inputs(9, 9)
    keys_values = torch.stack([cache[..., :R] @ expand[h].T for h in range(H)], dim=1)
    shared = cache[:, None, :, R:].expand(B, H, 9, P)
    keys = torch.cat([keys_values[..., :N], shared], dim=-1)
    expected = F.scaled_dot_product_attention(q.transpose(1, 2), keys, keys_values[..., N:], is_causal=True)
    with force("reference"):
        assert torch.allclose(latent_attention(q, cache, expand), expected.transpose(1, 2), atol=1e-12)


@pytest.mark.parametrize(
    ("cache", "expand"),
    [((B, 8, R + P), (H, N + V, R)), ((B, 9, R), (H, N + V, R + 1)), ((B, 9, R + P), (H + 1, N + V, R))],
)
def test_shapes_that_do_not_fit_are_refused(cache, expand):
    with pytest.raises(ValueError, match="must be"):
        latent_attention(torch.zeros(B, 9, H, N + P), torch.zeros(cache), torch.zeros(expand))
