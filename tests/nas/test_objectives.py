from nas.objectives import asked_of, dominates, objective_values, objectives_of, ranked_values
from nas.study import Constraint
from search_spaces.primitives import Cost
from tests.nas.spaces import study

COST = Cost(params=100, active_params=50, flops_per_token=10, state_bytes=5)
OBJECTIVES = objectives_of(study(objectives=("params", "score", "train_tokens_per_second", "mqar/accuracy")))
MEASURED = {"score": 0.5, "train_tokens_per_second": 2000.0, "mqar/accuracy": 0.75, "peak_memory_bytes": 1.0}


def test_objective_values_keep_order_and_units():
    assert objective_values(OBJECTIVES, MEASURED, COST) == (100.0, 0.5, 2000.0, 0.75)


def test_ranked_values_start_with_the_score_and_turn_around_what_should_be_small():
    assert ranked_values(OBJECTIVES, MEASURED, COST) == (0.5, -100.0, 2000.0, 0.75)


def test_asked_of_names_everything_measured_once_and_the_score_first():
    bounds = (
        Constraint(metric="peak_memory_bytes", max=1),
        Constraint(metric="score", min=0.1),
        Constraint(metric="params", max=9),
    )
    spec = study(objectives=("params", "mqar/accuracy", "score"), constraints=bounds)
    assert asked_of(spec) == ("score", "mqar/accuracy", "peak_memory_bytes")


def test_dominates_needs_to_be_better_somewhere_and_worse_nowhere():
    assert dominates((1.0, 2.0), (1.0, 1.0))
    assert not dominates((1.0, 1.0), (1.0, 1.0))
    assert not dominates((2.0, 1.0), (1.0, 2.0))
