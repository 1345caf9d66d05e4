from hypothesis import given
from hypothesis import strategies as st

from nas.objectives import dominates
from nas.pareto import ParetoFront

small = st.integers(0, 4).map(float)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.tuples(small, small) | st.none()), max_size=40))
def test_pareto_front_flags_the_non_dominated_of_the_highest_rung(happened):
    """Trials arrive, get newer values at the same rung or a higher one, and go."""
    front = ParetoFront()
    seen: dict[int, tuple[int, tuple[float, float]]] = {}
    flags: dict[int, bool] = {}
    top = 0
    for number, rung, values in happened:
        if values is None:
            changed = front.remove(number)
            seen.pop(number, None)
        else:
            # no trial goes down
            rung = max(rung, seen[number][0]) if number in seen else rung
            changed = front.add(number, rung, values)
            seen[number] = (rung, values)
            top = max(top, rung)
        assert all(flags.get(other, False) != flag or (other, flag) == (number, True) for other, flag in changed)
        flags |= dict(changed)
        best = {n: v for n, (r, v) in seen.items() if r == top}
        expected = {n for n, v in best.items() if not any(dominates(other, v) for other in best.values())}
        assert {n for n, flag in flags.items() if flag} == expected == {n for n in seen if n in front}


def test_pareto_front_keeps_a_member_that_reaches_a_higher_rung():
    front = ParetoFront()
    assert front.add(0, 0, (0.5,)) == ((0, True),)
    assert front.add(1, 0, (0.4,)) == ()
    assert front.add(0, 1, (0.6,)) == ((0, True),)
    assert front.add(2, 0, (0.9,)) == (), "a score at a smaller budget is no comparison"
