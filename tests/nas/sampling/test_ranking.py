import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna._hypervolume import _solve_hssp

from nas.sampling.memory import UNCHECKED, Told
from nas.sampling.ranking import MARGIN, best_first, best_of, elite, fronts


def told(losses, violation=None):
    losses = np.asarray(losses, dtype=float)
    return Told(
        trials=(),
        losses=losses,
        violation=np.zeros(len(losses)) if violation is None else np.asarray(violation, dtype=float),
        codes={},
        values={},
        spent=set(),
        beaten_by=np.full(len(losses), UNCHECKED),
    )


def peeled(losses):
    """Fronts by their definition; of equal rows the first is in front."""
    left, found = list(range(len(losses))), []
    while left:
        front = [
            one
            for one in left
            if not any(
                all(losses[other] <= losses[one]) and (any(losses[other] < losses[one]) or other < one)
                for other in left
                if other != one
            )
        ]
        found.append(set(front))
        left = [each for each in left if each not in front]
    return found


def some_losses(n_objectives):
    few = st.integers(0, 4).map(float)
    return st.lists(st.lists(few, min_size=n_objectives, max_size=n_objectives), min_size=1, max_size=25).map(np.array)


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_fronts_are_those_of_the_definition(n_objectives, data):
    losses = data.draw(some_losses(n_objectives))
    assert [set(front.tolist()) for front in fronts(losses)] == peeled(losses)


@settings(max_examples=60, deadline=None)
@given(losses=some_losses(3), data=st.data())
def test_fronts_noted_before_are_those_found_anew(losses, data):
    """Trials come in batches, and some are told again."""
    seen = told(np.full_like(losses, np.nan), np.full(len(losses), np.nan))
    changed = data.draw(st.lists(st.tuples(st.integers(0, len(losses) - 1), st.booleans()), max_size=40))
    for number, counts in [*changed, *((number, True) for number in range(len(losses)))]:
        seen.beaten_by[(seen.beaten_by == number)] = UNCHECKED
        seen.beaten_by[number] = UNCHECKED
        seen.losses[number] = losses[number] if counts else losses[number][::-1]
        seen.violation[number] = 0.0 if counts or number % 2 else 1.0
        fresh = told(seen.losses.copy(), seen.violation.copy())
        rng = (np.random.default_rng(0) for _ in range(2))
        assert list(best_first(seen, next(rng))) == list(best_first(fresh, next(rng)))
    assert set(np.flatnonzero(seen.beaten_by < UNCHECKED).tolist()) == peeled(losses)[0]


@pytest.mark.parametrize("n_objectives", [2, 3, 4])
def test_elite_of_a_front_is_optunas_greedy_choice_by_hypervolume(n_objectives):
    losses = np.random.default_rng(0).random((200, n_objectives))
    front = next(fronts(losses))
    size = min(8, len(front) - 1)
    low, high = losses[front].min(axis=0), losses[front].max(axis=0)
    reference = np.full(n_objectives, 1 + MARGIN)
    theirs = _solve_hssp((losses[front] - low) / (high - low), front, size, reference)
    assert set(elite(told(losses), size, np.random.default_rng(0)).tolist()) == set(theirs.tolist())


def test_elite_takes_whole_fronts_and_then_the_least_broken():
    losses = [[1, 1], [2, 2], [0, 0], [0, 0], [0, 0]]
    seen = told(losses, violation=[0, 0, 2, 1, np.nan])
    assert elite(seen, 3, np.random.default_rng(0)).tolist() == [0, 1, 3]
    assert elite(seen, 9, np.random.default_rng(0)).tolist() == [0, 1, 3, 2]


def test_best_first_is_by_feasibility_front_and_violation():
    seen = told([[3.0], [1.0], [2.0], [0.0], [0.0]], violation=[0, 0, 0, 0.5, 0.25])
    assert list(best_first(seen, np.random.default_rng(0))) == [1, 2, 0, 4, 3]


def test_best_of_draws_between_those_that_nobody_beats():
    seen = told([[1, 2], [2, 1], [2, 2], [0, 0]], violation=[0, 0, 0, 1])
    drawn = {best_of(seen, np.arange(4), np.random.default_rng(seed)) for seed in range(20)}
    assert drawn <= {0, 1}
    assert best_of(seen, np.array([2, 3]), np.random.default_rng(0)) == 2
