"""Whether a study's exact constraints leave anything to train: told at submission, after looking for it.

Most studies are settled by the first random member that keeps everything. Where none does, a small space is walked from end to
end, and a large one searched: steps of one or two genes that lead nearer to the bounds find what random members miss.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from random import Random
from typing import Final

from nas.constraints import exact_limits, excess
from nas.errors import FieldProblem
from nas.members import matched
from nas.metrics import exact_metrics
from nas.study import Constraint, StudySpec
from search_spaces.cost import price
from search_spaces.genes import GeneValue
from search_spaces.matching import Unmatched
from search_spaces.space import Params, Space

N_RANDOM: Final = 200
MAX_WALKED: Final = 2_000
"""Spaces of at most so many assignments are walked; of larger ones so many members are looked at. A second or two of CPU."""
NEAR: Final = 0.1
"""Of the bounds, summed: where the search came so near in a space that it did not walk, there may be one that keeps them."""
PATIENCE: Final = 100
"""Steps that lead no nearer before the search starts elsewhere."""


def constraint_problems(spec: StudySpec, max_params: int) -> tuple[FieldProblem, ...]:
    """Which exact constraints nobody keeps among those looked at, or that nobody keeps them together; empty when one does."""
    if not any(constraint.exact for constraint in spec.constraints):
        return ()
    seen = _Seen(spec, exact_limits(spec, max_params))
    rng = Random(0)
    starts = [spec.space.sample(rng) for _ in range(N_RANDOM)]
    if any(seen.look(params) == 0 for params in starts):
        return ()
    if spec.space.size() <= MAX_WALKED:
        kept = any(seen.look(params) == 0 for params in members(spec.space))
        return () if kept else tuple(seen.problems(f"all {spec.space.size():,} members of the space"))
    _search(spec.space, seen, rng)
    return () if seen.distance < NEAR else tuple(seen.problems(f"{seen.n_looked:,} architectures looked at"))


def members(space: Space) -> Iterator[Params]:
    """The params of every assignment, each once; what is decided last changes first."""
    path: list[int] = []
    while True:
        road = _Road(path)
        yield space.suggest(road)
        path, counts = road.taken, road.counts
        while path and path[-1] + 1 == counts[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


def _search(space: Space, seen: "_Seen", rng: Random) -> None:
    """From the nearest random member on; from the next nearest when no step leads nearer any more."""
    starts = sorted(seen.priced, key=itemgetter(0), reverse=True)
    distance, here = starts.pop() if starts else (math.inf, space.sample(rng))
    idle = 0
    for _ in range(MAX_WALKED):
        if idle == PATIENCE and starts:
            (distance, here), idle = starts.pop(), 0
        changed = frozenset(rng.choices(sorted(here), k=rng.choice((1, 1, 2))))
        there = space.suggest(_Step(here, changed, rng))
        nearer = seen.look(there)
        idle = 0 if nearer < distance else idle + 1
        if nearer <= distance:
            here, distance = there, nearer
        if distance == 0:
            return


@dataclass(slots=True)
class _Seen:
    """The members looked at: those that could be priced and how far each is from keeping the limits, and the extremes."""

    spec: StudySpec
    limits: tuple[Constraint, ...]
    n_looked: int = 0
    distance: float = math.inf
    nearest: dict[str, int] = field(default_factory=dict)
    priced: list[tuple[float, Params]] = field(default_factory=list)
    least: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def look(self, params: Params) -> float:
        """By how much a member breaks the limits, relative to them; infinitely where it cannot be matched."""
        try:
            architecture = matched(self.spec, self.spec.space.build(params))
        except Unmatched:
            return math.inf
        costs = exact_metrics(price(architecture, self.spec.cost_at.context))
        self.n_looked += 1
        for name, value in costs.items():
            self.least[name] = min(value, self.least.get(name, value))
            self.most[name] = max(value, self.most.get(name, value))
        distance = excess(costs, self.limits)
        self.priced.append((distance, params))
        if distance < self.distance:
            self.distance, self.nearest = distance, costs
        return distance

    def problems(self, looked_at: str) -> Iterator[FieldProblem]:
        """What a user can do about it. Nothing where no member could be priced: that is another problem."""
        if not self.n_looked:
            return
        alone = [
            FieldProblem(f"/constraints/{at}", f"{told}; loosen it, or widen the space")
            for at, limit in enumerate(self.spec.constraints)
            if limit.exact and (told := self._kept_by_nobody(limit, looked_at))
        ]
        if alone:
            yield from alone
            return
        names = dict.fromkeys(limit.metric for limit in self.limits)
        near = ", ".join(f"{name} {self.nearest[name]:,}" for name in names)
        bounds = "; ".join(bound for limit in self.limits for bound in _bounds(limit))
        yield FieldProblem(
            "/constraints", f"of {looked_at} none keeps these together: {bounds}; the nearest has {near}; loosen one"
        )

    def _kept_by_nobody(self, limit: Constraint, looked_at: str) -> str | None:
        least, most = self.least[limit.metric], self.most[limit.metric]
        if limit.max is not None and least > limit.max:
            return f"{limit.metric} at most {limit.max:,}: the smallest of {looked_at} has {least:,}"
        if limit.min is not None and most < limit.min:
            return f"{limit.metric} at least {limit.min:,}: the largest of {looked_at} has {most:,}"
        return None


def _bounds(limit: Constraint) -> Iterator[str]:
    if limit.min is not None:
        yield f"{limit.metric} at least {limit.min:,}"
    if limit.max is not None:
        yield f"{limit.metric} at most {limit.max:,}"


@dataclass(slots=True)
class _Road:
    """A trial that takes the choices of a path, then the first of each; afterwards, what it took and of how many."""

    path: Sequence[int]
    taken: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return range(low, high + 1, step)[self._next((high - low) // step + 1)]

    def suggest_categorical(self, name: str, choices: Sequence[GeneValue]) -> GeneValue:
        return choices[self._next(len(choices))]

    def _next(self, count: int) -> int:
        at = len(self.taken)
        self.taken.append(self.path[at] if at < len(self.path) else 0)
        self.counts.append(count)
        return self.taken[-1]


@dataclass(frozen=True, slots=True)
class _Step:
    """A trial that decides as before, but for some genes and those that only now act."""

    before: Params
    changed: frozenset[str]
    rng: Random

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        value = self._kept(name)
        return value if isinstance(value, int) else self.rng.choice(range(low, high + 1, step))

    def suggest_categorical(self, name: str, choices: Sequence[GeneValue]) -> GeneValue:
        value = self._kept(name)
        return self.rng.choice(choices) if value is None else value

    def _kept(self, name: str) -> GeneValue | None:
        return None if name in self.changed else self.before.get(name)
