from hypothesis import given
from hypothesis import strategies as st

from nas.fronts import Cloud, Stairs
from nas.objectives import dominates
from nas.ranking import ByScore, ranking

small = st.integers(0, 4).map(float)


def fronts_by_definition(values):
    left, fronts = set(range(len(values))), []
    while left:
        front = {n for n in left if not any(dominates(values[m], values[n]) for m in left)}
        fronts.append(front)
        left -= front
    return fronts


def order_by_definition(values):
    return [n for front in fronts_by_definition(values) for n in sorted(front, key=lambda n: (-values[n][0], n))]


@given(st.integers(2, 4).flatmap(lambda m: st.lists(st.tuples(*[small] * m), min_size=1, max_size=40)))
def test_fronts_rank_as_the_definition_says(values):
    fronts = ranking(len(values[0]))
    for number, value in enumerate(values):
        fronts.add(number, value, waiting=True)
    assert list(fronts.waiting()) == [(n, place) for place, n in enumerate(order_by_definition(values))]
    assert len(fronts) == len(values)


@given(st.lists(st.tuples(st.integers(0, 30).map(float), st.integers(0, 30).map(float)), max_size=120))
def test_stairs_are_a_cloud(values):
    """What two dimensions allow changes nothing but the time it takes."""
    stairs, cloud = Stairs(), Cloud(3)
    for number, (first, second) in enumerate(values):
        stairs.add(number, (first, second), waiting=True)
        cloud.add(number, (first, second, 0.0), waiting=True)
    assert list(stairs.waiting()) == list(cloud.waiting())


@given(st.lists(small, min_size=1, max_size=40))
def test_one_objective_ranks_the_same_both_ways(scores):
    by_score, by_fronts = ByScore(), Stairs()
    for number, score in enumerate(scores):
        by_score.add(number, (score,), waiting=number % 3 > 0)
        by_fronts.add(number, (score, 0.0), waiting=number % 3 > 0)
    assert list(by_score.waiting()) == list(by_fronts.waiting())


@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=30), st.sampled_from([1, 2, 3]))
def test_best_waiting_is_the_first_that_waits(values, n_objectives):
    rank = ranking(n_objectives)
    for number, value in enumerate(values):
        rank.add(number, value[:n_objectives], waiting=number % 2 == 0)
    while (best := rank.best_waiting()) is not None:
        assert best == next(rank.waiting())
        rank.promote(best[0])
    assert list(rank.waiting()) == []
