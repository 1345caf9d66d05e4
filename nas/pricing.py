"""What a study would be, without creating it: the size of its space, the range of its costs, the number of its runs.

How long it takes is not said: it follows from steps and hardware, and is known once a worker has been measured.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from random import Random

from nas.constraints import exact_limits, excess
from nas.metrics import exact_metrics
from nas.study import StudySpec
from search_spaces.cost import price
from search_spaces.primitives import Cost, CostContext
from search_spaces.space import Space

N_SAMPLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """space_size: assignments. least, most: each cost over sampled members. params_bound: no member has more.

    feasible_share: of the sampled members, those that keep the constraints and the service's limit, 0 to 1. runs,
    optimiser_steps: at most so many, references included; planned_runs, planned_steps: so many when halving keeps exactly
    1/eta of every rung.
    """

    space_size: int
    least: Cost
    most: Cost
    params_bound: int
    feasible_share: float
    runs: int
    optimiser_steps: int
    planned_runs: int
    planned_steps: int


def quote(spec: StudySpec, max_params: int) -> Quote:
    """Price a study for a service that accepts so many parameters."""
    costs = list(sampled_costs(spec.space, spec.cost_at.context))
    kept = exact_limits(spec, max_params)
    everybody = [spec.budget.trials + len(spec.references)] * len(spec.protocol.rungs)
    planned = _planned_trials(spec)
    return Quote(
        space_size=spec.space.size(),
        least=_extreme(min, costs),
        most=_extreme(max, costs),
        params_bound=spec.space.params_bound(),
        feasible_share=sum(excess(exact_metrics(cost), kept) == 0 for cost in costs) / len(costs),
        runs=sum(everybody),
        optimiser_steps=_steps(spec, everybody),
        planned_runs=sum(planned),
        planned_steps=_steps(spec, planned),
    )


def sampled_costs(space: Space, context: CostContext) -> Iterator[Cost]:
    """Of `N_SAMPLES` random members, the same ones for everybody who asks."""
    rng = Random(0)
    return (price(space.build(space.sample(rng)), context) for _ in range(N_SAMPLES))


def _extreme(choose: Callable[[Iterable[int]], int], costs: list[Cost]) -> Cost:
    params, active_params, flops_per_token, state_bytes = map(choose, zip(*map(astuple, costs), strict=True))
    return Cost(params=params, active_params=active_params, flops_per_token=flops_per_token, state_bytes=state_bytes)


def _planned_trials(spec: StudySpec) -> list[int]:
    """Trials at each rung: references go through all of them, of the others the best 1/eta, and at least one."""
    alive, trials = spec.budget.trials, []
    for _ in spec.protocol.rungs:
        trials.append(alive + len(spec.references))
        alive = max(1, alive // spec.halving.eta) if spec.halving else alive
    return trials


def _steps(spec: StudySpec, trials: list[int]) -> int:
    return sum(count * spec.protocol.optimiser_steps(rung) for rung, count in enumerate(trials))
