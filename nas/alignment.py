"""Which layer of one model stands beside which of another: the alignment with the fewest and smallest changes.

An edit distance by dynamic programming: its time is bounded by the product of the lengths whatever the layers are, where
difflib's grows further on rows that repeat.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

GAP: Final = 2
ALIKE: Final = 1
"""Of two of one sort that differ in sizes only."""
UNLIKE: Final = 3
"""Dearer than one gap, cheaper than two: rows of one length stay side by side."""

Item = TypeVar("Item", bound=Hashable)
Place = tuple[int | None, int | None]
Table = list[list[int]]


def align(a: Sequence[Item], b: Sequence[Item], sort: Callable[[Item], Hashable]) -> tuple[Place, ...]:
    """Places of `a` and `b` side by side, in order; None where one has nothing beside the other's.

    Items of one `sort` are rather beside each other than others.
    """
    numbers = {item: number for number, item in enumerate(dict.fromkeys((*a, *b)))}
    sorts = list(map(sort, numbers))
    costs = [[_cost(one, other, sorts) for other in range(len(sorts))] for one in range(len(sorts))]
    return _walk([numbers[item] for item in a], [numbers[item] for item in b], costs)


def _cost(one: int, other: int, sorts: Sequence[Hashable]) -> int:
    return 0 if one == other else ALIKE if sorts[one] == sorts[other] else UNLIKE


def _walk(a: Sequence[int], b: Sequence[int], costs: Table) -> tuple[Place, ...]:
    """Back from the end along the cheapest way; where several are, gaps come last, so that equal beginnings meet."""
    total = _totals(a, b, costs)
    row, column, places = len(a), len(b), list[Place]()
    while row or column:
        cost = total[row][column]
        if row and cost == total[row - 1][column] + GAP:
            row -= 1
            places.append((row, None))
        elif column and cost == total[row][column - 1] + GAP:
            column -= 1
            places.append((None, column))
        else:
            row, column = row - 1, column - 1
            places.append((row, column))
    return tuple(reversed(places))


def _totals(a: Sequence[int], b: Sequence[int], costs: Table) -> Table:
    """The cost of aligning every beginning of `a` with every beginning of `b`."""
    total = [[GAP * column for column in range(len(b) + 1)]]
    for one in a:
        above, here = total[-1], [total[-1][0] + GAP]
        for column, other in enumerate(b):
            here.append(min(above[column] + costs[one][other], above[column + 1] + GAP, here[-1] + GAP))
        total.append(here)
    return total
