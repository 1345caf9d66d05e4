"""Alignments of two rows: every item once and in order, at the least cost, in bounded time."""

from itertools import combinations
from random import Random

import pytest

from nas.alignment import ALIKE, GAP, UNLIKE, Place, align


def shown(a: str, b: str) -> str:
    """The alignment in pairs; letters of one sort differ in case only."""
    pairs = align(a, b, str.lower)
    return " ".join(("-" if one is None else a[one]) + ("-" if other is None else b[other]) for one, other in pairs)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("", "", ""),
        ("ab", "", "a- b-"),
        ("", "ab", "-a -b"),
        ("abc", "abc", "aa bb cc"),
        ("mmam", "mmmam", "mm mm -m aa mm"),
        ("mmm", "m", "mm m- m-"),
        # sizes differ
        ("aaa", "AAA", "aA aA aA"),
        # kinds differ: side by side, not one after the other
        ("mam", "mbm", "mm ab mm"),
        # the one of the same kind is worth a gap
        ("xa", "A", "x- aA"),
    ],
)
def test_rows_are_side_by_side(a: str, b: str, expected: str) -> None:
    found = shown(a, b)
    assert sorted(found.split()) == sorted(expected.split())
    assert _cost(a, b, align(a, b, str.lower)) == _cost(a, b, _places(expected))


def test_equal_beginnings_meet() -> None:
    assert shown("mmm", "m") == "mm m- m-"


@pytest.mark.parametrize("seed", range(20))
def test_alignment_is_the_cheapest_of_all(seed: int) -> None:
    draw = Random(seed)
    a, b = ("".join(draw.choices("aAbBc", k=draw.randrange(6))) for _ in range(2))
    places = align(a, b, str.lower)
    assert [one for one, _ in places if one is not None] == list(range(len(a)))
    assert [other for _, other in places if other is not None] == list(range(len(b)))
    assert _cost(a, b, places) == min(_cost(a, b, each) for each in _every(len(a), len(b)))


def test_longest_models_are_aligned() -> None:
    assert len(align("ab" * 512, "aab" * 341, str.lower)) >= 1024


def _cost(a: str, b: str, places: tuple[Place, ...]) -> int:
    return sum(_price(one, other, a, b) for one, other in places)


def _price(one: int | None, other: int | None, a: str, b: str) -> int:
    if one is None or other is None:
        return GAP
    return 0 if a[one] == b[other] else ALIKE if a[one].lower() == b[other].lower() else UNLIKE


def _places(pairs: str) -> tuple[Place, ...]:
    """From `ab -c`: counted from the left."""
    one = other = 0
    places = list[Place]()
    for letters in pairs.split():
        has_one, has_other = (letter != "-" for letter in letters)
        places.append((one if has_one else None, other if has_other else None))
        one, other = one + has_one, other + has_other
    return tuple(places)


def _every(n_a: int, n_b: int) -> list[tuple[Place, ...]]:
    """All alignments: which items of the one stand beside which of the other, in order."""
    return [
        _filled(tuple(zip(ours, theirs, strict=True)), n_a, n_b)
        for size in range(min(n_a, n_b) + 1)
        for ours in combinations(range(n_a), size)
        for theirs in combinations(range(n_b), size)
    ]


def _filled(matched: tuple[tuple[int, int], ...], n_a: int, n_b: int) -> tuple[Place, ...]:
    ours, theirs = {one for one, _ in matched}, {other for _, other in matched}
    alone = [(at, None) for at in range(n_a) if at not in ours]
    return (*matched, *alone, *((None, at) for at in range(n_b) if at not in theirs))
