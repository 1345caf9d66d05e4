"""The values that a gene can have, counted."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution


def count(distribution: BaseDistribution) -> int | None:
    """How many values a gene has; None for a real interval."""
    match distribution:
        case CategoricalDistribution():
            return len(distribution.choices)
        case IntDistribution() | FloatDistribution():
            return None if distribution.step is None else round((distribution.high - distribution.low) / distribution.step) + 1
    raise TypeError(f"no such kind of gene: {distribution}")


def value_at(distribution: BaseDistribution, place: int) -> Any:
    """The value at a place of a grid, from 0 to its count."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[place]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    assert distribution.step is not None
    return min(distribution.low + place * distribution.step, distribution.high)
