from nas.constraints import exact_limits, excess, explain, measured_limits
from nas.metrics import exact_metrics
from nas.study import Constraint
from search_spaces.primitives import Cost
from tests.nas.spaces import study

VALUES = {**exact_metrics(Cost(params=1_500, active_params=1_000, flops_per_token=10, state_bytes=0)), "forgetting": 0.25}


def test_constraints_kept_have_no_excess():
    kept = (Constraint(metric="params", max=1_500), Constraint(metric="state_bytes", min=0))
    assert (excess(VALUES, kept), explain(VALUES, kept)) == (0, None)


def test_constraints_broken_are_all_named():
    broken = (
        Constraint(metric="params", max=1_000),
        Constraint(metric="flops_per_token", min=20, max=40),
        Constraint(metric="forgetting", max=0.125),
    )
    assert excess(VALUES, broken) == 0.5 + 0.5 + 0.125
    assert explain(VALUES, broken) == (
        "params 1,500 is above 1,000 parameters; flops_per_token 10 is below 20 FLOPs; forgetting 0.25 is above 0.125"
    )


def test_limits_are_exact_before_a_run_and_measured_after_it():
    params, memory = Constraint(metric="params", max=10), Constraint(metric="peak_memory_bytes", max=1e9)
    spec = study(constraints=(memory, params))
    assert exact_limits(spec, 99) == (params, Constraint(metric="params", max=99))
    assert measured_limits(spec) == (memory,)
