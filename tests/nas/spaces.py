"""Spaces and studies for tests."""

from typing import Any

from nas.protocol import Protocol, Rung
from nas.study import Budget, Halving, Sampler, StudySpec
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
    chosen = Sampler(name=sampler, n_startup=6, population=4)
    return StudySpec(name=name, space=space, sampler=chosen, halving=halving, **given)
