"""Every published architecture of the zoo is built with the parameters it costs, learns, and decodes what it computes."""

import math

import pytest
import torch

from search_spaces.cost import price
from search_spaces.primitives import CostContext
from search_spaces.zoo import ZOO
from tests.workers.model.models import make_tokens
from workers.model import Model, build

D_MODEL = 32
VOCAB_SIZE = 17
LENGTH = 24
STEPS = 4


def make(name: str) -> Model:
    """The entry at a small width, with the weights that training starts from."""
    return build(ZOO[name].build(D_MODEL, VOCAB_SIZE), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ZOO)
def test_zoo_entry_trains_real_steps(name):
    """Cross-entropy and what routers, halting and further objectives add, on one batch again and again."""
    model = make(name).train()
    assert sum(p.numel() for p in model.parameters()) == price(model.architecture, CostContext(context_length=1)).params
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    tokens = make_tokens(model.architecture, LENGTH + 1)
    losses = []
    for _ in range(STEPS):
        output = model(tokens[:, :-1], tokens[:, 1:])
        loss = model.loss(output, tokens[:, 1:]) + output.auxiliary_loss
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimiser.step()
        model.update_routing_biases()
        losses.append(loss.item())
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", [name for name, entry in ZOO.items() if entry.build().causal])
def test_zoo_entry_decodes_what_it_computes(name):
    model = make(name).eval()
    tokens = make_tokens(model.architecture, LENGTH)
    state, decoded = model.initial_state(len(tokens)), []
    with torch.no_grad():
        for token_B in tokens.T:
            logits_BV, state = model.step(token_B, state)
            decoded.append(logits_BV)
        assert torch.allclose(torch.stack(decoded, dim=1), model(tokens).logits_BTV, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, entry in ZOO.items() if not entry.build().causal])
def test_zoo_encoder_refuses_to_decode(name):
    with pytest.raises(ValueError, match="an encoder cannot decode token by token"):
        make(name).initial_state(1)
