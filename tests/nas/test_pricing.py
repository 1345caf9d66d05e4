from nas.pricing import quote
from nas.study import Constraint, Matched
from tests.nas.spaces import TINY, study

MANY = 10**9


def test_quote_counts_runs_and_steps():
    priced = quote(study(trials=9, references=("transformer",)), MANY)
    # 1 task, 3 learning rates, rungs of 10, 30 and 90 steps
    assert (priced.runs, priced.optimiser_steps) == (30, 10 * 3 * 90)
    assert priced.planned_runs == (9 + 1) + (3 + 1) + (1 + 1)
    assert priced.planned_steps == 3 * (10 * 10 + 4 * 20 + 2 * 60)


def test_quote_without_halving_plans_everything():
    priced = quote(study(trials=9, eta=None), MANY)
    assert (priced.planned_runs, priced.planned_steps) == (priced.runs, priced.optimiser_steps)


def test_quote_measures_the_space():
    priced = quote(study(space=TINY), MANY)
    assert priced.space_size == 4
    assert priced.least.params < priced.most.params <= priced.params_bound


def test_quote_says_how_much_of_the_space_keeps_the_constraints():
    limit = quote(study(space=TINY), MANY).least.params
    one_of_four = quote(study(space=TINY, constraints=(Constraint(metric="params", max=limit),)), MANY)
    assert 0.15 < one_of_four.feasible_share < 0.35
    assert quote(study(space=TINY), MANY).feasible_share == 1.0


def test_quote_counts_what_is_too_large_for_the_service_as_infeasible():
    smallest = quote(study(space=TINY), MANY).least.params
    assert 0.15 < quote(study(space=TINY), smallest).feasible_share < 0.35
    assert quote(study(space=TINY), smallest - 1).feasible_share == 0.0


def test_quote_counts_what_cannot_be_matched_as_infeasible():
    """Half of the space is twice as wide, and has more than the target without any FFN."""
    target = round(1.1 * quote(study(space=TINY), MANY).least.params)
    matched = Matched(metric="params", target=target)
    share = quote(study(space=TINY, matched=matched), MANY).feasible_share
    assert 0 < share < 1
