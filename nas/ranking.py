"""Who is better among trials that keep arriving: by score, or by non-dominated rank where there are several objectives.

A ranking also knows who still waits to be promoted. Adding a trial costs far less than sorting all of them again.
Values are oriented so that larger is better; the first one is the score.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
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
    return ByScore() if n_objectives == 1 else ByFronts()


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

    def __init__(self) -> None:
        self._fronts: list[dict[int, Values]] = []
        self._waiting: set[int] = set()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, number: int, values: Values, *, waiting: bool) -> None:
        """Find the newcomer's front by bisection, then push down those it dominates, front by front."""
        self._size += 1
        if waiting:
            self._waiting.add(number)
        self._settle({number: values}, self._front_of(values))

    def best_waiting(self) -> tuple[int, int] | None:
        """Walks the fronts down to the first where somebody waits."""
        place = 0
        for front in self._fronts:
            if not self._waiting.isdisjoint(front):
                return next((number, place + at) for at, number in enumerate(_by_score(front)) if number in self._waiting)
            place += len(front)
        return None

    def promote(self, number: int) -> None:
        """O(1)."""
        self._waiting.remove(number)

    def waiting(self) -> Iterator[tuple[int, int]]:
        """O(n log n)."""
        ordered = chain.from_iterable(map(_by_score, self._fronts))
        return ((number, place) for place, number in enumerate(ordered) if number in self._waiting)

    def _front_of(self, values: Values) -> int:
        """The first front where nobody dominates these values."""
        return bisect_left(self._fronts, True, key=lambda front: not any(dominates(other, values) for other in front.values()))

    def _settle(self, moving: dict[int, Values], at: int) -> None:
        while at < len(self._fronts):
            front = self._fronts[at]
            pushed = {n: v for n, v in front.items() if any(dominates(values, v) for values in moving.values())}
            if len(pushed) == len(front):
                # the whole front goes down as it is, and all those below it with it
                break
            self._fronts[at] = {n: v for n, v in front.items() if n not in pushed} | moving
            if not pushed:
                return
            moving, at = pushed, at + 1
        self._fronts.insert(at, moving)


def _by_score(front: dict[int, Values]) -> Sequence[int]:
    return sorted(front, key=lambda number: (-front[number][0], number))
