"""Rankings by non-dominated front, then score: stairs for two objectives, arrays for more. See `nas.ranking.Ranking`.

A trial's front is the length of the longest chain of trials above it, each dominating the next. So a newcomer stands one below
the lowest of those that dominate it, and pushes down by one only trials that it dominates (efficient level update, Li et al.
2017).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nas.objectives import Values, dominates

Rows = NDArray[np.intp]


class Cloud:
    """Any number of objectives: everybody is compared with everybody, in arrays."""

    def __init__(self, n_objectives: int) -> None:
        self._rows: dict[int, int] = {}
        self._numbers = np.zeros(0, dtype=np.int64)
        self._fronts = np.zeros(0, dtype=np.int32)
        self._waits = np.zeros(0, dtype=np.bool_)
        # objectives first: comparing one objective of everybody is one run over memory
        self._points = np.zeros((n_objectives, 0))

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, number: int, values: Values, *, waiting: bool) -> None:
        """O(n) for the newcomer's front, then front by front those that it pushes down."""
        row, point = len(self._rows), np.array(values)[:, None]
        others, fronts = self._points[:, :row], self._fronts[:row]
        no_worse, no_better = (others >= point).all(axis=0), (others <= point).all(axis=0)
        front = int(fronts[no_worse & ~no_better].max(initial=-1)) + 1
        self._push_down(np.flatnonzero(no_better & ~no_worse), front)
        self._append(row, number, front, waiting)
        self._points[:, row] = values

    def best_waiting(self) -> tuple[int, int] | None:
        """O(n)."""
        n = len(self)
        waiting = self._fronts[:n][self._waits[:n]]
        if not len(waiting):
            return None
        front = waiting.min()
        ordered = self._by_score(np.flatnonzero(self._fronts[:n] == front))
        within = int(np.argmax(self._waits[ordered]))
        return int(self._numbers[ordered[within]]), int(np.count_nonzero(self._fronts[:n] < front)) + within

    def promote(self, number: int) -> None:
        """O(1)."""
        self._waits[self._rows[number]] = False

    def waiting(self) -> Iterator[tuple[int, int]]:
        """O(n log n)."""
        ordered = self._by_score(np.arange(len(self)))
        return ((int(self._numbers[row]), place) for place, row in enumerate(ordered) if self._waits[row])

    def _by_score(self, rows: Rows) -> Rows:
        """Those rows by front, then best score, then number."""
        return rows[np.lexsort((self._numbers[rows], -self._points[0, rows], self._fronts[rows]))]

    def _push_down(self, rows: Rows, front: int) -> None:
        """Of the trials that a newcomer to this front dominates, those that it or each other push go down by one."""
        rows = rows[np.argsort(self._fronts[rows], kind="stable")]
        starts = np.searchsorted(self._fronts[rows], np.arange(front, front + len(rows) + 2))
        moving, moved = rows[starts[0] : starts[1]], []
        while len(moving):
            moved.append(moving)
            level = len(moved)
            below = rows[starts[level] : starts[level + 1]]
            # trials with the same values are in the same front: here no worse everywhere means that it dominates
            no_worse = self._points[:, moving, None] >= self._points[:, None, below]
            moving = below[no_worse.all(axis=0).any(axis=0)]
        if moved:
            self._fronts[np.concatenate(moved)] += 1

    def _append(self, row: int, number: int, front: int, waiting: bool) -> None:
        if row == len(self._numbers):
            more = max(64, row)
            self._numbers, self._fronts, self._waits = (
                np.append(known, np.zeros(more, known.dtype)) for known in (self._numbers, self._fronts, self._waits)
            )
            self._points = np.pad(self._points, ((0, 0), (0, more)))
        self._rows[number], self._numbers[row], self._fronts[row], self._waits[row] = row, number, front, waiting


class Stairs:
    """Two objectives. A front is sorted: as the first value rises the second falls, so what is pushed out lies together."""

    def __init__(self) -> None:
        self._values: dict[int, Values] = {}
        self._fronts: list[list[int]] = []
        self._n_waiting: list[int] = []
        self._waiting: set[int] = set()

    def __len__(self) -> int:
        return len(self._values)

    def add(self, number: int, values: Values, *, waiting: bool) -> None:
        """Find the newcomer's front by bisection, then push down those it dominates, front by front."""
        self._values[number] = values
        if waiting:
            self._waiting.add(number)
        at = bisect_left(self._fronts, True, key=lambda front: not self._is_dominated(values, front))
        moving = [number]
        while at < len(self._fronts):
            everybody = len(self._fronts[at])
            pushed = self._push(moving, self._fronts[at])
            self._n_waiting[at] += self._count_waiting(moving) - self._count_waiting(pushed)
            moving = pushed
            if not moving:
                return
            at += 1
            if len(moving) == everybody:
                # a whole front goes down as it is, and those below it with it
                break
        self._fronts.insert(at, moving)
        self._n_waiting.insert(at, self._count_waiting(moving))

    def best_waiting(self) -> tuple[int, int] | None:
        """Walks the fronts down to the first where somebody waits."""
        place = 0
        for front, n_waiting in zip(self._fronts, self._n_waiting, strict=True):
            if n_waiting:
                ordered = enumerate(self._by_score(front), start=place)
                return next((number, at) for at, number in ordered if number in self._waiting)
            place += len(front)
        return None

    def promote(self, number: int) -> None:
        """The best one is in the first front where somebody waits."""
        self._waiting.remove(number)
        at = next(at for at, n_waiting in enumerate(self._n_waiting) if n_waiting)
        self._n_waiting[at] -= 1

    def waiting(self) -> Iterator[tuple[int, int]]:
        """O(n log n)."""
        ordered = chain.from_iterable(map(self._by_score, self._fronts))
        return ((number, place) for place, number in enumerate(ordered) if number in self._waiting)

    def _by_score(self, front: Sequence[int]) -> Sequence[int]:
        return sorted(front, key=lambda number: (-self._values[number][0], number))

    def _count_waiting(self, numbers: Sequence[int]) -> int:
        return sum(number in self._waiting for number in numbers)

    def _is_dominated(self, values: Values, front: Sequence[int]) -> bool:
        """Only the nearest member that is no worse in the first value can: it has the best second one of those."""
        at = bisect_left(front, values[0], key=lambda other: self._values[other][0])
        return at < len(front) and dominates(self._values[front[at]], values)

    def _push(self, moving: list[int], front: list[int]) -> list[int]:
        """Put trials from the front above into this one; returns those they push out."""
        first, last = self._values[moving[0]], self._values[moving[-1]]
        start = bisect_left(front, -first[1], key=lambda other: -self._values[other][1])
        end = bisect_right(front, last[0], key=lambda other: self._values[other][0])
        if start < end and self._values[front[start]] == first:
            # the same values again: nobody is dominated
            start = end
        pushed, front[start:end] = front[start:end], moving
        return pushed
