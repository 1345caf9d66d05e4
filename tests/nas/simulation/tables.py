"""A small table whose numbers say where they come from."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from nas.protocol import Protocol, Rung
from nas.simulation.loading import table_of_rows
from nas.simulation.table import Table
from nas.study import Budget, StudySpec
from search_spaces.space import Space
from tests.nas.spaces import study

MIXERS = ("none", "short_conv", "hyena")
SPACE = Space(name="nine", mode="micro", genes={"depth": (2,), "layer*.mixer": MIXERS})
RUNGS = (10, 30, 90)
PROTOCOL = Protocol(rungs=tuple(Rung(steps=steps) for steps in RUNGS), learning_rates=(1e-3, 3e-3))
N_SEEDS = 3


def score(member: int, rung: int, seed: int) -> float:
    """Member 8 is the best at the last rung; at the first one the order is another."""
    return round(0.1 * ((5 * member) % 9 if rung == 0 else member) + 0.01 * seed + 0.001 * rung, 6)


def rows(n_members: int = 9, **changed: Any) -> Iterator[dict[str, Any]]:
    """One for each member, rung and seed; `changed` are cells that all rows have."""
    members = list(product(MIXERS, repeat=2))[:n_members]
    for (member, mixers), rung, seed in product(enumerate(members), range(3), range(N_SEEDS)):
        value = score(member, rung, seed)
        yield {
            "layer0.mixer": mixers[0],
            "layer1.mixer": mixers[1],
            "rung": rung,
            "seed": seed,
            "score": value,
            "validation_score": value + 0.1,
            "mqar/accuracy": value,
            "validation_mqar/accuracy": value + 0.1,
            "seconds": 1.0 + member + rung,
            **changed,
        }


def digest(member: int) -> str:
    """Of the member with this number."""
    mixers = list(product(MIXERS, repeat=2))[member]
    return SPACE.build({"layer0.mixer": mixers[0], "layer1.mixer": mixers[1]}).digest


def table(n_members: int = 9, **changed: Any) -> Table:
    return table_of_rows(rows(n_members, **changed), SPACE, PROTOCOL)


def spec(trials: int = 9, **fields: Any) -> StudySpec:
    """A study that the table fits."""
    return study(**{"space": SPACE, "protocol": PROTOCOL, "budget": Budget(trials=trials), **fields})
