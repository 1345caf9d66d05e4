"""Who is better among trials that keep arriving: by score, or by non-dominated rank where there are several objectives.

A ranking also knows who still waits to be promoted. Adding a trial costs far less than sorting all of them again.
Values are oriented so that larger is better; the first one is the score.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from nas.objectives import Values, dominates


class Ranking(Protocol):
    """Trials from best to worst; ties go to the lower number."""

    def __len__(self) -> int:
        """How many trials are ranked."""

    def add(self, number: int, values: Values, *, waiting: bool) -> None:
        """Rank one more trial."""

    def best_waiting(self) -> tuple[int, int] | None:
        """The best trial that waits, and its place from 0; None when none waits."""

    def promote(self, number: int) -> None:
        """The best waiting trial waits no more."""

    def waiting(self) -> Iterator[tuple[int, int]]:
        """All trials that wait, best first, each with its place from 0."""


def ranking(n_objectives: int) -> Ranking:
    """The ranking that fits the number of objectives."""
    return ByScore() if n_objectives == 1 else ByFronts(n_objectives)


class ByScore:
    """One objective: a sorted list, and a heap of those that wait."""

    def __init__(self) -> None:
        self._keys: list[tuple[float, int]] = []
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, number: int, values: Values, *, waiting: bool) -> None:
        """O(log n) comparisons."""
        key = (-values[0], number)
        insort(self._keys, key)
        if waiting:
            heapq.heappush(self._heap, key)

    def best_waiting(self) -> tuple[int, int] | None:
        """O(log n)."""
        return (self._heap[0][1], bisect_left(self._keys, self._heap[0])) if self._heap else None

    def promote(self, number: int) -> None:
        """O(log n)."""
        if heapq.heappop(self._heap)[1] != number:
            raise ValueError(f"trial {number} is not the best that waits")

    def waiting(self) -> Iterator[tuple[int, int]]:
        """O(n log n)."""
        for key in sorted(self._heap):
            yield key[1], bisect_left(self._keys, key)


class ByFronts:
    """Several objectives: non-dominated fronts, kept up as trials arrive (efficient level update, Li et al. 2017)."""

    def __init__(self, n_objectives: int) -> None:
        self._values: dict[int, Values] = {}
        self._fronts: list[list[int]] = []
        self._waiting: set[int] = set()
        self._shape = Stairs(self._values) if n_objectives == 2 else Cloud(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, number: int, values: Values, *, waiting: bool) -> None:
        """Find the newcomer's front by bisection, then push down those it dominates, front by front."""
        self._values[number] = values
        if waiting:
            self._waiting.add(number)
        at = bisect_left(self._fronts, True, key=lambda front: not self._shape.is_dominated(number, front))
        moving = [number]
        while at < len(self._fronts):
            everybody = len(self._fronts[at])
            moving = self._shape.push(moving, self._fronts[at])
            if not moving:
                return
            at += 1
            if len(moving) == everybody:
                # a whole front goes down as it is, and those below it with it
                break
        self._fronts.insert(at, moving)

    def best_waiting(self) -> tuple[int, int] | None:
        """Walks the fronts down to the first where somebody waits."""
        place = 0
        for front in self._fronts:
            if not self._waiting.isdisjoint(front):
                ordered = enumerate(self._by_score(front), start=place)
                return next((number, at) for at, number in ordered if number in self._waiting)
            place += len(front)
        return None

    def promote(self, number: int) -> None:
        """O(1)."""
        self._waiting.remove(number)

    def waiting(self) -> Iterator[tuple[int, int]]:
        """O(n log n)."""
        ordered = chain.from_iterable(map(self._by_score, self._fronts))
        return ((number, place) for place, number in enumerate(ordered) if number in self._waiting)

    def _by_score(self, front: Sequence[int]) -> Sequence[int]:
        return sorted(front, key=lambda number: (-self._values[number][0], number))


@dataclass(frozen=True, slots=True)
class Cloud:
    """A front in any number of dimensions: everybody is compared with everybody."""

    values: Mapping[int, Values]

    def is_dominated(self, number: int, front: Sequence[int]) -> bool:
        """Whether some member dominates the trial."""
        return any(dominates(self.values[other], self.values[number]) for other in front)

    def push(self, moving: list[int], front: list[int]) -> list[int]:
        """Put trials from the front above into this one; returns those they push out."""
        pushed = {n for n in front if any(dominates(self.values[m], self.values[n]) for m in moving)}
        front[:] = [*(n for n in front if n not in pushed), *moving]
        return sorted(pushed)


@dataclass(frozen=True, slots=True)
class Stairs:
    """A front in two dimensions, sorted: as the first value rises the second falls, so what is pushed out lies together."""

    values: Mapping[int, Values]

    def is_dominated(self, number: int, front: Sequence[int]) -> bool:
        """Only the nearest member that is no worse in the first value can: it has the best second one of those."""
        at = bisect_left(front, self.values[number][0], key=lambda other: self.values[other][0])
        return at < len(front) and dominates(self.values[front[at]], self.values[number])

    def push(self, moving: list[int], front: list[int]) -> list[int]:
        """Put trials from the front above into this one; returns those they push out."""
        first, last = self.values[moving[0]], self.values[moving[-1]]
        start = bisect_left(front, -first[1], key=lambda other: -self.values[other][1])
        end = bisect_right(front, last[0], key=lambda other: self.values[other][0])
        if start < end and self.values[front[start]] == first:
            # the same values again: nobody is dominated
            start = end
        pushed, front[start:end] = front[start:end], moving
        return pushed
