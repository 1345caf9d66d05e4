"""Constraints that leave nothing to train are refused at submission, with the figures; rare members are found."""

from random import Random

import pytest

from nas.errors import Invalid
from nas.feasibility import MAX_WALKED, N_RANDOM, constraint_problems, members
from nas.study import Constraint, Matched
from nas.submission import read_spec
from search_spaces.cost import price
from search_spaces.presets import PRESETS
from search_spaces.space import Space
from tests.nas.spaces import TINY, study

MANY = 10**9


def costs(space, params):
    return price(space.build(params), study().cost_at.context)


def problems(space, *constraints, max_params=MANY, **fields):
    return constraint_problems(study(space=space, constraints=constraints, **fields), max_params)


@pytest.mark.parametrize("space", [TINY, Space(name="one", genes={"d_model": (32,)}), PRESETS["recall_demo"]()])
def test_members_are_every_assignment_once(space):
    found = [tuple(sorted(params.items())) for params in members(space)]
    assert len(found) == len(set(found)) == space.size()
    assert all(space.contains(dict(params)) for params in found)


def test_bound_that_nobody_keeps_is_refused_with_the_nearest_value():
    every = [costs(TINY, params) for params in members(TINY)]
    least, most = min(cost.params for cost in every), max(cost.params for cost in every)
    (small,) = problems(TINY, Constraint(metric="params", max=least - 1))
    assert small.pointer == "/constraints/0"
    assert small.reason.startswith(f"params at most {least - 1:,}: the smallest of all 4 members of the space has {least:,};")
    large, *others = problems(TINY, Constraint(metric="state_bytes", min=0), Constraint(metric="params", min=most + 1))
    assert (large.pointer, others) == ("/constraints/1", [])
    assert f"params at least {most + 1:,}: the largest of all 4 members of the space has {most:,}" in large.reason
    assert problems(TINY, Constraint(metric="params", min=least, max=least)) == ()


def test_bounds_that_nobody_keeps_together_are_refused():
    """The smallest architecture is not the one with the largest state."""
    every = [costs(TINY, params) for params in members(TINY)]
    params, state = min(cost.params for cost in every), max(cost.state_bytes for cost in every)
    at_most, at_least = Constraint(metric="params", max=params), Constraint(metric="state_bytes", min=state)
    assert problems(TINY, at_most) == problems(TINY, at_least) == ()
    (both,) = problems(TINY, at_most, at_least)
    assert both.pointer == "/constraints"
    assert f"none keeps these together: params at most {params:,}; state_bytes at least {state:,}" in both.reason
    (service,) = problems(TINY, at_least, max_params=params)
    assert f"params at most {params:,}" in service.reason, "the service's own limit counts too"


def test_large_space_is_searched_and_the_answer_says_so():
    space = PRESETS["recall_state"]()
    assert space.size() > MAX_WALKED
    (found,) = problems(space, Constraint(metric="params", max=1_000))
    assert f"of {N_RANDOM + MAX_WALKED:,} architectures looked at has" in found.reason


@pytest.mark.parametrize("metric", ["params", "state_bytes"])
def test_rare_members_of_a_large_space_are_found(metric):
    """None of the first random ones is small enough."""
    space, rng = PRESETS["everything"](), Random(0)
    first = [getattr(costs(space, space.sample(rng)), metric) for _ in range(N_RANDOM)]
    assert problems(space, Constraint(metric=metric, max=min(first) - 1)) == ()


def test_measured_constraints_promise_nothing_before_a_run():
    assert problems(TINY, Constraint(metric="score", min=1)) == ()


def test_matched_study_is_judged_at_the_cost_that_it_compares_at():
    target = round(1.1 * min(costs(TINY, params).params for params in members(TINY)))
    matched = Matched(metric="params", target=target)
    assert problems(TINY, Constraint(metric="params", min=round(0.97 * target)), matched=matched) == ()
    (found,) = problems(TINY, Constraint(metric="params", min=2 * target), matched=matched)
    assert found.pointer == "/constraints/0"


def test_submission_refuses_them():
    document = {"name": "x", "space": TINY.to_data(), "constraints": [{"metric": "params", "max": 1_000}]}
    with pytest.raises(Invalid, match="params at most 1,000: the smallest of all 4 members of the space has") as raised:
        read_spec(document, None, MANY)
    assert raised.value.problems[0].pointer == "/constraints/0"
