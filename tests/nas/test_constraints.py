from nas.constraints import excess, explain
from nas.study import Constraint
from search_spaces.primitives import Cost

COST = Cost(params=1_500, active_params=1_000, flops_per_token=10, state_bytes=0)


def test_constraints_kept_have_no_excess():
    kept = (Constraint(metric="params", max=1_500), Constraint(metric="state_bytes", min=0))
    assert (excess(COST, kept), explain(COST, kept)) == (0, None)


def test_constraints_broken_are_all_named():
    broken = (Constraint(metric="params", max=1_000), Constraint(metric="flops_per_token", min=20, max=40))
    assert excess(COST, broken) == 0.5 + 0.5
    assert explain(COST, broken) == "params 1,500 is above 1,000 parameters; flops_per_token 10 is below 20 FLOPs"
