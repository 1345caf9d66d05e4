"""Hyper-connections against the published definition (arXiv 2409.19606, equations 1 to 5), stream by stream."""

import pytest
import torch

from search_spaces.architecture import Architecture, Layer, TokenInput
from search_spaces.primitives.attention import Attention
from search_spaces.primitives.swiglu import SwiGLU
from workers.model import build
from workers.model.inputs import TokenEnds
from workers.model.layers import Pass
from workers.model.streams import HyperConnection, Residual, connection, from_streams, to_streams

D, N = 12, 3
LAYER = Layer(mixers=(Attention(n_heads=2, n_kv_heads=1, head_dim=6),), channel=SwiGLU(d_ff=16))


def hyper_connection(norm="rms") -> HyperConnection:
    joined, generator = connection(D, norm, N, 4), torch.Generator().manual_seed(1)
    assert isinstance(joined, HyperConnection)
    with torch.no_grad():
        joined.initialise()
        for parameter in joined.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    return joined.double()


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_hyper_connection_is_its_definition(norm):
    joined = hyper_connection(norm)
    H = torch.randn(N, D, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    normed = joined.norm(H)
    W_m, W_r, W_b = joined.weigh.weight.split([1, N, 1])
    A_m = joined.alpha[:, :1] + joined.alpha_scale * (normed @ W_m.T).tanh()
    A_r = joined.alpha[:, 1:] + joined.alpha_scale * (normed @ W_r.T).tanh()
    B = joined.beta + joined.beta_scale * (normed @ W_b.T).tanh()[:, 0]
    read = sum(A_m[i, 0] * H[i] for i in range(N))
    after = torch.stack([sum(A_r[i, j] * H[i] for i in range(N)) + B[j] * read.sin() for j in range(N)])
    found_read, kept = joined.read(H[None, None])
    assert torch.allclose(found_read[0, 0], read)
    assert torch.allclose(joined.write(found_read.sin(), kept)[0, 0], after)


@pytest.mark.parametrize("place", range(4))
def test_a_connection_starts_as_a_plain_residual_that_reads_one_stream(place):
    joined = connection(D, "rms", N, place)
    with torch.no_grad():
        joined.initialise()
    H = torch.randn(2, 5, N, D)
    read, kept = joined.read(H)
    assert torch.equal(read, H[:, :, place % N])
    out = torch.randn(2, 5, D)
    assert torch.allclose(joined.write(out, kept), H + out[:, :, None])


def test_one_stream_is_a_sum_without_parameters():
    joined, x, out = connection(D, "rms", 1, 0), torch.randn(1, 2, D), torch.randn(1, 2, D)
    read, kept = joined.read(x)
    assert type(joined) is Residual
    assert not list(joined.parameters())
    assert read is x
    assert torch.equal(joined.write(out, kept), x + out)


def test_streams_begin_as_copies_and_end_as_their_mean():
    x = torch.randn(2, 5, D)
    assert to_streams(x, 1) is x
    assert from_streams(x, 1) is x
    assert to_streams(x, N).shape == (2, 5, N, D)
    assert torch.allclose(from_streams(to_streams(x, N), N), x)


@pytest.mark.parametrize("n_loops", [1, 2])
def test_model_starts_as_one_of_a_single_stream(n_loops):
    base = {"d_model": D, "input": TokenInput(vocab_size=20), "core": 2 * (LAYER,), "n_loops": n_loops, "norm": "dyt"}
    one, many = (build(Architecture(**base, n_streams=n), torch.Generator().manual_seed(0)) for n in (1, 4))
    missing, unexpected = many.load_state_dict(one.state_dict(), strict=False)
    assert not unexpected
    assert all(".connection." in name for name in missing)
    tokens = torch.arange(24).view(2, 12) % 20
    assert torch.allclose(many(tokens).logits_BTV, one(tokens).logits_BTV, atol=1e-6)


def test_layers_of_a_stack_start_from_different_streams():
    model = build(Architecture(d_model=D, core=3 * (LAYER,), n_streams=4))
    starts = [module.first for module in model.modules() if isinstance(module, HyperConnection)]
    assert starts == [0, 1, 2, 3, 0, 1]


def test_streams_part_when_trained():
    """Gradients of the mixing weights are such that streams do not stay copies."""
    model = build(Architecture(d_model=D, core=2 * (LAYER,), n_streams=2), torch.Generator().manual_seed(0))
    tokens = torch.arange(40).view(2, 20) % 7
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(3):
        loss = model.loss(model(tokens[:, :-1]), tokens[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert isinstance(model.ends, TokenEnds)
    x = to_streams(model.ends.embedding(tokens), 2)
    after, _ = model.backbone.core.layers.run(x, None, Pass(torch.arange(20)))
    assert not torch.allclose(after[:, :, 0], after[:, :, 1], atol=1e-2)
