"""One-gene mutations: what a child may have instead of one of its parent's genes, never the value it has."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from nas.sampling.grid import count, value_at
from nas.sampling.memory import Told
from nas.sampling.ranking import best_first

Distributions = Mapping[str, BaseDistribution]
Params = dict[str, Any]
Change = tuple[str, Any]

MAX_VALUES: Final = 64
"""Of one gene, besides its own: a finer grid is sampled, as a real interval is."""


def neighbours(
    params: Params, distributions: Distributions, generator: np.random.Generator, among: Sequence[str] | None = None
) -> Iterator[Change]:
    """Every change of one gene, of all or of some: genes in a random order, and a gene's values in a random order.

    So the first of them changes a random gene to a random other value. Numbers may change to any other number, not only to the
    next: a neighbourhood that is small everywhere has no way out of a poor one.
    """
    names = list(params if among is None else among)
    for place in generator.permutation(len(names)).tolist():
        for value in other_values(distributions[names[place]], params[names[place]], generator):
            yield names[place], value


def broods(told: Told, generator: np.random.Generator) -> Iterator[tuple[FrozenTrial, list[Params]]]:
    """The trials that have a neighbour nobody tried, best first, and all such neighbours in a random order."""
    draw = int(generator.integers(2**32))
    for number in best_first(told, generator):
        if number in told.spent:
            continue
        parent = told.trials[number]
        tried = told.tried_from(parent.params)
        # a generator of its own, so that what is drawn does not depend on which trials were noted as spent before
        changes = neighbours(parent.params, parent.distributions, np.random.default_rng([draw, number]))
        children = [parent.params | {name: value} for name, value in changes if (name, value) not in tried]
        if children:
            yield parent, children
        elif listed(parent.distributions):
            told.spent.add(number)


def mutate(
    told: Told,
    params: Params,
    distributions: Distributions,
    generator: np.random.Generator,
    among: Sequence[str] | None = None,
) -> Params:
    """One gene changed, to what nobody has tried; where all changes were, a second gene too, and so on: at most all of them."""
    child = params
    for _ in params:
        tried, first = told.tried_from(child), None
        for change in neighbours(child, distributions, generator, among):
            if change not in tried:
                return child | dict([change])
            first = first or change
        child = child | dict([first] if first else [])
    return child


def other_values(distribution: BaseDistribution, value: Any, generator: np.random.Generator) -> list[Any]:
    """The values a gene may have instead, in a random order; some of them where they are more than `MAX_VALUES`."""
    match distribution:
        case CategoricalDistribution():
            own = distribution.to_internal_repr(value)
            places = generator.permutation(len(distribution.choices)).tolist()
            return [distribution.choices[place] for place in places if place != own]
        case IntDistribution() | FloatDistribution():
            return [other for other in _numbers(distribution, generator) if other != value]
    raise TypeError(f"no such kind of gene: {distribution}")


def listed(distributions: Distributions) -> bool:
    """Whether `other_values` are all there are."""
    counts = map(count, distributions.values())
    return all(n_values is not None and n_values <= MAX_VALUES + 1 for n_values in counts)


def _numbers(distribution: IntDistribution | FloatDistribution, generator: np.random.Generator) -> list[float]:
    """Different numbers of the distribution, its whole grid where that is small enough."""
    n_values = count(distribution)
    if n_values is None or (distribution.log and n_values > MAX_VALUES + 1):
        return _drawn(distribution, generator)
    places = generator.permutation(n_values) if n_values <= MAX_VALUES + 1 else generator.integers(n_values, size=MAX_VALUES)
    return [value_at(distribution, place) for place in dict.fromkeys(places.tolist())]


def _drawn(distribution: IntDistribution | FloatDistribution, generator: np.random.Generator) -> list[float]:
    """From an interval, or from that of the logarithms. An integer has the room from half below it to half above."""
    whole = isinstance(distribution, IntDistribution)
    low, high = distribution.low - 0.5 * whole, distribution.high + 0.5 * whole
    if distribution.log:
        low, high = math.log(low), math.log(high)
    drawn = generator.uniform(low, high, size=MAX_VALUES)
    numbers = np.exp(drawn) if distribution.log else drawn
    within = np.clip(numbers, distribution.low, distribution.high)
    return list(dict.fromkeys((np.rint(within).astype(np.int64) if whole else within).tolist()))
