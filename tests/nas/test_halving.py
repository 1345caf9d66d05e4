from random import Random

import pytest

from nas.halving import Halving, ordinal


def halving(eta=3, n_rungs=3, n_objectives=1):
    return Halving(eta=eta, n_rungs=n_rungs, n_objectives=n_objectives)


def test_halving_promotes_nobody_before_eta_trials():
    rungs = halving()
    rungs.record(0, 0, (0.9,))
    assert rungs.promote() is None
    rungs.record(1, 0, (0.1,))
    assert rungs.promote() is None
    rungs.record(2, 0, (0.5,))
    assert rungs.promote() == (0, 1)
    assert rungs.promote() is None


def test_halving_promotes_the_best_share_at_any_moment():
    rungs, rng, scores, promoted = halving(), Random(1), {}, set()
    for number in range(300):
        scores[number] = rng.random()
        rungs.record(number, 0, (scores[number],))
        while (chosen := rungs.promote()) is not None:
            top = sorted(scores, key=lambda n: (-scores[n], n))[: len(scores) // 3]
            assert chosen[0] in top
            promoted.add(chosen[0])
        top = sorted(scores, key=lambda n: (-scores[n], n))[: len(scores) // 3]
        assert set(top) <= promoted, "nobody of the best third is left waiting"


def test_halving_looks_at_the_highest_rung_first():
    rungs = halving(eta=2)
    for number in range(4):
        rungs.record(number, 0, (number / 10,))
    assert [rungs.promote(), rungs.promote()] == [(3, 1), (2, 1)]
    rungs.record(3, 1, (0.3,))
    rungs.record(2, 1, (0.9,))
    rungs.record(4, 0, (0.8,))
    rungs.record(5, 0, (0.7,))
    assert rungs.promote() == (2, 2)
    assert rungs.promote() == (4, 1)


def test_halving_ranks_several_objectives_by_front_then_score():
    rungs = halving(eta=2, n_objectives=2)
    # trial 1 is dominated by trial 0 only; trials 2 and 0 are on the front
    for number, values in enumerate([(0.9, -10.0), (0.8, -20.0), (0.1, -1.0), (0.0, -30.0)]):
        rungs.record(number, 0, values)
    assert [rungs.promote(), rungs.promote(), rungs.promote()] == [(0, 1), (2, 1), None]


def test_halving_closes_with_one_trial_at_the_top():
    rungs = halving(eta=4)
    rungs.record(0, 0, (0.5,))
    rungs.record(1, 0, (0.6,))
    assert rungs.promote() is None
    assert rungs.promote(closing=True) == (1, 1)
    assert rungs.promote(closing=True) is None
    rungs.record(1, 1, (0.7,))
    assert rungs.promote(closing=True) == (1, 2)


def test_halving_replayed_decides_as_before():
    live, rng = halving(), Random(3)
    scores = [rng.random() for _ in range(50)]
    promoted = set()
    for number, score in enumerate(scores):
        live.record(number, 0, (score,))
        while (chosen := live.promote()) is not None:
            promoted.add(chosen[0])
    replayed = halving()
    for number, score in enumerate(scores):
        replayed.record(number, 0, (score,), promoted=number in promoted)
    assert list(live.left()) == list(replayed.left())
    for number in range(50, 60):
        for rungs in (live, replayed):
            rungs.record(number, 0, (1 + number,))
        assert live.promote() == replayed.promote()


def test_left_says_its_place():
    rungs = halving(eta=3, n_rungs=2)
    for number in range(31):
        rungs.record(number, 0, (1 - number / 100,))
    while rungs.promote():
        pass
    left = list(rungs.left())
    assert len(left) == 21
    assert (left[0].number, left[0].reason) == (10, "11th of 31 at rung 0; 10 went on")


@pytest.mark.parametrize(
    ("place", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (113, "113th"), (22, "22nd")],
)
def test_ordinal(place, text):
    assert ordinal(place) == text
