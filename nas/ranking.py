"""Who is better among trials that keep arriving: by score, or by non-dominated rank where there are several objectives.

A ranking also knows who still waits to be promoted. Adding a trial costs far less than sorting all of them again.
Values are oriented so that larger is better; the first one is the score.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol

from nas.fronts import Cloud, Stairs
from nas.objectives import Values


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
    if n_objectives == 1:
        return ByScore()
    return Stairs() if n_objectives == 2 else Cloud(n_objectives)


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
