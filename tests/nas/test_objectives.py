from nas.objectives import dominates, objective_values, ranked_values
from search_spaces.primitives import Cost

COST = Cost(params=100, active_params=50, flops_per_token=10, state_bytes=5)


def test_objective_values_keep_order_and_units():
    assert objective_values(("params", "score", "state_bytes"), 0.5, COST) == (100.0, 0.5, 5.0)


def test_ranked_values_start_with_the_score_and_turn_costs_around():
    assert ranked_values(("params", "score", "state_bytes"), 0.5, COST) == (0.5, -100.0, -5.0)


def test_dominates_needs_to_be_better_somewhere_and_worse_nowhere():
    assert dominates((1.0, 2.0), (1.0, 1.0))
    assert not dominates((1.0, 1.0), (1.0, 1.0))
    assert not dominates((2.0, 1.0), (1.0, 2.0))
