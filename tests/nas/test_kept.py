"""What is kept: until something happens, for a while, for a few studies, with one finding it out for all who wait."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from nas.kept import Kept


def test_an_answer_is_given_until_something_happens() -> None:
    kept: Kept[int] = Kept(4)
    found = iter(range(10))
    assert [kept.get("a", moment, lambda: next(found)) for moment in [(1, 1), (1, 1), (1, 2), (2, 2), (1, 2)]] == [
        0,
        0,
        1,
        2,
        2,
    ]


def test_an_answer_may_be_given_for_a_while_whatever_happens() -> None:
    kept: Kept[int] = Kept(4, seconds=60.0)
    found = iter(range(10))
    assert [kept.get("a", (moment,), lambda: next(found)) for moment in range(4)] == [0] * 4


def test_only_the_last_few_are_kept() -> None:
    kept: Kept[str] = Kept(2)
    asked: list[str] = []

    def find(study_id: str) -> str:
        asked.append(study_id)
        return study_id

    for study_id in "abacab":
        assert kept.get(study_id, (1,), partial(find, study_id)) == study_id
    assert asked == ["a", "b", "c", "b"]


def test_one_finds_it_out_for_all_and_other_studies_do_not_wait() -> None:
    kept: Kept[str] = Kept(4)
    begun, go_on = threading.Event(), threading.Event()
    calls = []

    def slow() -> str:
        calls.append(1)
        begun.set()
        assert go_on.wait(10)
        return "slow"

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(kept.get, "slow", (1,), slow) for _ in range(3)]
        assert begun.wait(10)
        start = time.monotonic()
        assert kept.get("quick", (1,), lambda: "quick") == "quick"
        assert time.monotonic() - start < 5
        go_on.set()
        assert [each.result(10) for each in waiting] == ["slow"] * 3
    assert len(calls) == 1


def test_a_failure_is_raised_and_not_kept() -> None:
    kept: Kept[int] = Kept(4)

    def fail() -> int:
        raise ValueError("not yet")

    with pytest.raises(ValueError, match="not yet"):
        kept.get("a", (1,), fail)
    assert kept.get("a", (1,), lambda: 1) == 1
