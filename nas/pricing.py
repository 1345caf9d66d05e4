"""What a study would be, without creating it: the size of its space, the range of its costs, the number of its runs.

How long it takes is not said: it follows from steps and hardware, and is known once a worker has been measured.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from random import Random

from nas.baselines import companions
from nas.brackets import bracket_sizes
from nas.constraints import exact_limits, excess
from nas.members import matched
from nas.metrics import exact_metrics
from nas.study import StudySpec
from search_spaces.architecture import Architecture
from search_spaces.cost import price
from search_spaces.matching import Unmatched
from search_spaces.primitives import Cost, CostContext
from search_spaces.space import Space

N_SAMPLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """space_size: assignments. least, most: each cost over sampled members. params_bound: no member has more.

    least, most and params_bound are of the space as it is, before a matched study changes sizes. feasible_share: of the sampled
    members, those that can be matched, and then keep the constraints and the service's limit, 0 to 1. runs,
    optimiser_steps: at most so many, references and baselines included; planned_runs, planned_steps: so many when halving
    keeps exactly 1/eta of every rung and the first fresh seeds tell all leaders apart. notes: what its warm start found.
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
    notes: tuple[str, ...] = ()


def quote(spec: StudySpec, max_params: int) -> Quote:
    """Price a study for a service that accepts so many parameters."""
    costs = list(sampled_costs(spec.space, spec.cost_at.context))
    together = (spec, *companions(spec))
    runs, steps = map(sum, zip(*(_work(one, planned=False) for one in together), strict=True))
    planned_runs, planned_steps = map(sum, zip(*(_work(one, planned=True) for one in together), strict=True))
    return Quote(
        space_size=spec.space.size(),
        least=_extreme(min, costs),
        most=_extreme(max, costs),
        params_bound=spec.space.params_bound(),
        feasible_share=sum(_feasible(spec, max_params)) / N_SAMPLES,
        runs=runs,
        optimiser_steps=steps,
        planned_runs=planned_runs,
        planned_steps=planned_steps,
        notes=spec.warm_start.notes,
    )


def sampled(space: Space) -> Iterator[Architecture]:
    """`N_SAMPLES` random members, the same ones for everybody who asks."""
    rng = Random(0)
    return (space.build(space.sample(rng)) for _ in range(N_SAMPLES))


def sampled_costs(space: Space, context: CostContext) -> Iterator[Cost]:
    """Of each of them."""
    return (price(architecture, context) for architecture in sampled(space))


def _feasible(spec: StudySpec, max_params: int) -> Iterator[bool]:
    """Of each of them, whether a study would train it."""
    kept = exact_limits(spec, max_params)
    for architecture in sampled(spec.space):
        try:
            cost = price(matched(spec, architecture), spec.cost_at.context)
        except Unmatched:
            yield False
        else:
            yield excess(exact_metrics(cost), kept) == 0


def _extreme(choose: Callable[[Iterable[int]], int], costs: list[Cost]) -> Cost:
    params, active_params, flops_per_token, state_bytes = map(choose, zip(*map(astuple, costs), strict=True))
    return Cost(params=params, active_params=active_params, flops_per_token=flops_per_token, state_bytes=state_bytes)


def _work(spec: StudySpec, *, planned: bool) -> tuple[int, int]:
    """Runs and optimiser steps, at most or as planned."""
    ladders = list(_ladders(spec, halved=planned and spec.halving is not None))
    seeds = (spec.confirmation.first if planned else spec.confirmation.seeds) if spec.confirmation else 0
    confirming = _confirming(spec, ladders) * seeds
    return sum(map(sum, ladders)) + confirming, _steps(spec, ladders) + _fresh_steps(spec, confirming)


def _ladders(spec: StudySpec, *, halved: bool) -> Iterator[list[int]]:
    """Of each bracket, trials at each rung: references go through all of them, of the others the best 1/eta, at least one."""
    yield [len(spec.references)] * len(spec.protocol.rungs)
    for first, alive in enumerate(bracket_sizes(spec, spec.budget.trials)):
        trials = [0] * first
        for _ in spec.protocol.rungs[first:]:
            trials.append(alive)
            alive = max(min(alive, 1), alive // spec.halving.eta) if spec.halving and halved else alive
        yield trials


def _confirming(spec: StudySpec, ladders: list[list[int]]) -> int:
    """How many of those at the last rung are confirmed: the references and the leaders."""
    n_leaders = spec.confirmation.leaders if spec.confirmation else 0
    return min(sum(trials[-1] for trials in ladders), n_leaders + len(spec.references))


def _fresh_steps(spec: StudySpec, n_runs: int) -> int:
    """A run with a fresh seed trains each task once, at one learning rate."""
    return n_runs * len(spec.protocol.tasks) * spec.protocol.rungs[-1].steps


def _steps(spec: StudySpec, ladders: list[list[int]]) -> int:
    """A rung goes on from the one below; the first one of a bracket has none below and trains its steps from the start."""
    added = [spec.protocol.optimiser_steps(rung) for rung in range(len(spec.protocol.rungs))]
    first_of_bracket = [next((rung for rung, count in enumerate(trials) if count), 0) for trials in ladders]
    from_the_start = sum(trials[first] * sum(added[:first]) for trials, first in zip(ladders, first_of_bracket, strict=True))
    return from_the_start + sum(count * added[rung] for trials in ladders for rung, count in enumerate(trials))
