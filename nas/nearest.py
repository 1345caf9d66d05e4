"""The member of a space that is most like an architecture: coordinate descent over the genes.

Each step gives one gene every value that it may have, and keeps the best. A gene that becomes active by it is tried with every
value at once: attention in half of the layers is no nearer to Samba before the other half is Mamba.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from nas.distance import distance
from search_spaces.architecture import Architecture
from search_spaces.genes import GeneValue
from search_spaces.space import Params, Space

N_SAMPLES: Final = 64
"""Members that are looked at before the descent, which begins with the nearest of them."""
MAX_BUILT: Final = 4_000
"""A descent ends after so many members: an answer must come within seconds."""
MAX_VALUES: Final = 32
"""Values that are tried of one gene: all of them, or so many spread over its range and those next to the present one."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A member and its distance, from 0 to 1, as `nas.distance` has it."""

    params: Params
    architecture: Architecture
    distance: float


def nearest(space: Space, wanted: Architecture) -> Nearest:
    """The same for the same space and architecture. A nearer member may exist: the descent ends where no single gene helps."""
    rng = Random(0)
    params = min(
        (space.suggest(_Answers({})), *(space.sample(rng) for _ in range(N_SAMPLES))),
        key=lambda each: distance(space.build(each), wanted),
    )
    best, n_built = _at(space, params, wanted), 0
    improved = True
    while improved and n_built < MAX_BUILT:
        improved = False
        for name in best.params:
            for changed in _changes(space, best.params, name):
                n_built += 1
                found = _at(space, changed, wanted)
                if found.distance < best.distance:
                    best, improved = found, True
    return best


def _at(space: Space, params: Params, wanted: Architecture) -> Nearest:
    architecture = space.build(params)
    return Nearest(params, architecture, distance(architecture, wanted))


def _changes(space: Space, params: Params, name: str) -> Iterator[Params]:
    """The member with every other value of one gene, and of each gene that becomes active by it; the others stay."""
    for changed in _with(space, params, name):
        yield changed
        for new in changed.keys() - params.keys():
            yield from _with(space, changed, new)


def _with(space: Space, params: Params, name: str) -> Iterator[Params]:
    answers = _Answers(params)
    space.suggest(answers)
    for value in _tried(answers.offered.get(name, ()), params.get(name)):
        yield space.suggest(_Answers({**params, name: value}))


def _tried(values: Sequence[GeneValue], present: GeneValue | None) -> list[GeneValue]:
    if present is None or present not in values:
        return []
    at, step = values.index(present), -(-len(values) // MAX_VALUES)
    places = {*range(0, len(values), step), len(values) - 1, max(0, at - 1), min(len(values) - 1, at + 1)}
    return [values[place] for place in sorted(places - {at})]


@dataclass(slots=True)
class _Answers:
    """Answers as an Optuna trial would: what is wanted where that is allowed, else the first value."""

    wanted: Params
    offered: dict[str, Sequence[GeneValue]] = field(default_factory=dict)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        value = self._choose(name, range(low, high + 1, step))
        assert isinstance(value, int)
        return value

    def suggest_categorical(self, name: str, choices: Sequence[GeneValue]) -> GeneValue:
        return self._choose(name, choices)

    def _choose(self, name: str, values: Sequence[GeneValue]) -> GeneValue:
        self.offered[name] = values
        return self.wanted[name] if name in self.wanted and self.wanted[name] in values else values[0]
