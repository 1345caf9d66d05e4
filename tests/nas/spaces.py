"""Spaces and studies for tests."""

from typing import Any

from nas.protocol import Protocol, Rung
from nas.samplers import (
    GP,
    NSGA2,
    NSGA3,
    TPE,
    Evolution,
    Exhaustive,
    Hypervolume,
    LocalSearch,
    ModelGuided,
    RandomSearch,
    Sampler,
)
from nas.study import Budget, Halving, StudySpec
from search_spaces.space import Space

CONDITIONAL = Space(
    name="conditional",
    genes={
        "d_model": (32, 64),
        "depth": (2, 3, 4),
        "placement": ("interleaved", "bottom", "top"),
        "attention_ratio": (0.0, 0.5, 1.0),
        "linear_mixer": ("short_conv", "mamba2", "retnet"),
        "n_kv_heads": (1, 2, "all"),
        "state_size": (8, 16, 32),
        "short_conv_width": (3, 4),
        "channel": ("none", "dense"),
    },
)
"""Genes that come and go: knobs of mixers that not every architecture has."""

TINY = Space(name="tiny", genes={"d_model": (32, 64), "depth": (1, 2)})
"""Four architectures."""

THREE_RUNGS = Protocol(rungs=(Rung(steps=10), Rung(steps=30), Rung(steps=90)))


SAMPLERS: dict[str, Sampler] = {
    "random": RandomSearch(),
    "evolution": Evolution(population=8, sample=4),
    "local_search": LocalSearch(n_startup=6),
    "model_guided": ModelGuided(n_startup=6),
    "hypervolume": Hypervolume(n_startup=6, population=4),
    "tpe": TPE(n_startup=6),
    "nsga2": NSGA2(population=4),
    "nsga3": NSGA3(population=4),
    "gp": GP(n_startup=6),
    "exhaustive": Exhaustive(),
}
"""All of them, soon done with what is random."""


def study(
    name: str = "study",
    *,
    trials: int = 12,
    space: Space = CONDITIONAL,
    sampler: Any = "random",
    eta: int | None = 3,
    **fields: Any,
) -> StudySpec:
    """A small study; `fields` are those of `StudySpec`."""
    given: dict[str, Any] = {"protocol": THREE_RUNGS, "budget": Budget(trials=trials), **fields}
    halving = None if eta is None else Halving(eta=eta)
    return StudySpec(name=name, space=space, sampler=SAMPLERS[sampler], halving=halving, **given)
