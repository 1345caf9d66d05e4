from random import Random

import pytest

from nas.halving import Halving, ordinal
from nas.ports import Standing
from nas.selection import Selection
from nas.trial import TrialState
from search_spaces.cost import price
from tests.nas.spaces import study


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


def test_halving_closes_with_the_next_one_where_those_that_went_on_fell():
    rungs = halving(eta=4)
    for number in range(5):
        rungs.record(number, 0, (number / 10,))
    assert rungs.promote() == (4, 1)
    rungs.fall(1)
    assert rungs.promote() is None, "more may come"
    assert rungs.promote(closing=True) == (3, 1)
    assert rungs.promote(closing=True) is None, "it is on its way"
    rungs.record(3, 1, (0.1,))
    assert rungs.promote(closing=True) == (3, 2)
    rungs.fall(2)
    assert rungs.promote(closing=True) == (2, 1), "nobody waits at the rung in between"


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.INFEASIBLE])
def test_halving_replayed_knows_who_fell(state):
    """The best of four went on, and failed or broke a constraint at the second rung: the next driver sends the next."""
    spec = study(eta=4)
    architecture = spec.space.build(spec.space.sample(Random(0)))
    selection = Selection(spec)
    for number in range(4):
        scores = [{"score": number / 10}] * (2 if number == 3 and state is TrialState.INFEASIBLE else 1)
        standing = Standing(
            number=number,
            state=state if number == 3 else TrialState.PAUSED,
            params={},
            digest=architecture.digest,
            cost=price(architecture, spec.cost_at.context),
            reported=tuple(scores),
            searched=tuple(scores),
        )
        selection.replay(standing)
    assert selection.halving is not None
    assert selection.halving.promote() is None
    assert selection.halving.promote(closing=True) == (2, 1)


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
