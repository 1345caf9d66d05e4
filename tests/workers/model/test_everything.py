"""Random members of the widest space: each validates, is priced, built, trained for a step and read back unchanged."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.presets import PRESETS
from search_spaces.primitives import CATALOGUE, CostContext
from workers.model import build

N_MEMBERS, N_GROUPS = 500, 10
LENGTH = 12
SPACE = PRESETS["everything"]()


def members(group: int) -> list[Architecture]:
    """A tenth of the draws, each of its own seed."""
    return [SPACE.build(SPACE.sample(Random(seed))) for seed in range(group, N_MEMBERS, N_GROUPS)]


@pytest.mark.parametrize("group", range(N_GROUPS))
def test_everything_members_train_as_they_are_priced(group):
    for architecture in members(group):
        assert Architecture.from_json(architecture.to_json()).digest == architecture.digest
        model = build(architecture, torch.Generator().manual_seed(group))
        assert sum(p.numel() for p in model.parameters()) == price(architecture, CostContext(context_length=LENGTH)).params
        tokens = torch.randint(256, (2, LENGTH), generator=torch.Generator().manual_seed(group))
        output = model(tokens[:, :-1], tokens[:, 1:])
        (model.loss(output, tokens[:, 1:]) + output.auxiliary_loss).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        assert all(gradient.isfinite().all() for gradient in gradients), architecture.to_json()
        assert sum(bool(gradient.any()) for gradient in gradients) > len(gradients) / 2


def test_everything_draws_every_causal_primitive():
    drawn = {part.kind for group in range(N_GROUPS) for member in members(group) for _, part in member.parts()}
    assert drawn == {kind for kind, part in CATALOGUE.items() if part.causal}


WRONG: list[Any] = [
    0,
    1,
    2,
    3,
    5,
    7,
    33,
    100,
    True,
    False,
    None,
    "first",
    "route_top1",
    "key",
    "delta",
    "sum",
    "max",
    0.3,
    "ternary",
]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every field that holds no other."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path


def broken(seed: int) -> dict[str, Any]:
    """A member's document with two fields changed to something else."""
    rng = Random(seed)
    document = SPACE.build(SPACE.sample(rng)).to_data()
    for path in rng.sample(list(leaves(document)), 2):
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = rng.choice(WRONG)
    return document


def refusal(seed: int) -> str | None:
    """Why the broken member is refused; None when it is a model, which then has to run."""
    try:
        architecture = Architecture.from_data(broken(seed))
    except ValidationError as error:
        return str(error)
    if price(architecture, CostContext(context_length=1)).params < 10**7:
        tokens = torch.zeros(2, LENGTH, dtype=torch.long, device="meta")
        model = build(architecture).to("meta")
        model(tokens, tokens)
        assert architecture.canonical_json()
    return None


@pytest.mark.parametrize("group", range(4))
def test_everything_that_is_not_refused_runs(group):
    """Nothing that the validator lets pass fails in torch, and what it refuses has a field and a reason."""
    refused = [reason for seed in range(group, 400, 4) if (reason := refusal(seed)) is not None]
    assert 40 < len(refused) < 100
    assert all(len(reason) > 40 for reason in refused)
