"""Multiplication tables of small groups, from their elements as permutations.

A table's entry [a, b] is the element that does b first and then a. Element 0 does nothing.
"""

from functools import cache
from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@cache
def table(factors: tuple[tuple[str, int], ...]) -> IntArray:
    """Of the product of groups Zn, Sn and An, each given by its letter and n: [elements, elements]."""
    whole = np.zeros((1, 1), dtype=np.int64)
    for letter, n in factors:
        one = _cyclic(n) if letter == "Z" else _permutations(n, even=letter == "A")
        # element (a, b) of a product is number a * n_b + b
        joined = whole[:, None, :, None] * len(one) + one[None, :, None, :]
        whole = joined.reshape(len(whole) * len(one), -1)
    return whole


def _cyclic(n: int) -> IntArray:
    return np.add.outer(np.arange(n), np.arange(n)) % n


def _permutations(n: int, *, even: bool) -> IntArray:
    """Permutations of 0 ... n - 1 in the order of their digits, which read as one number find them again."""
    chosen = [one for one in permutations(range(n)) if not even or sum(a > b for a, b in combinations(one, 2)) % 2 == 0]
    elements, places = np.array(chosen), n ** np.arange(n)[::-1]
    return np.searchsorted(elements @ places, elements[:, elements] @ places)
