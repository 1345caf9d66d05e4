"""Whether an architecture keeps a study's constraints: exact, and before anything is dispatched."""

from collections.abc import Iterator, Sequence

from nas.metrics import METRICS
from nas.study import Constraint, StudySpec
from search_spaces.primitives import Cost


def limits(spec: StudySpec, max_params: int) -> tuple[Constraint, ...]:
    """The study's constraints and the service's own limit: what its proposals must keep."""
    return (*spec.constraints, Constraint(metric="params", max=max_params))


def excess(cost: Cost, constraints: Sequence[Constraint]) -> float:
    """By how much the cost breaks the constraints, relative to the bounds and summed; 0 when it keeps them all."""
    return sum(beyond / max(bound, 1) for _, beyond, bound in _broken(cost, constraints))


def explain(cost: Cost, constraints: Sequence[Constraint]) -> str | None:
    """Which constraints the cost breaks, for a person; None when it keeps them all."""
    return "; ".join(reason for reason, _, _ in _broken(cost, constraints)) or None


def _broken(cost: Cost, constraints: Sequence[Constraint]) -> Iterator[tuple[str, int, int]]:
    for constraint in constraints:
        value, unit = getattr(cost, constraint.metric), METRICS[constraint.metric].unit
        if constraint.max is not None and value > constraint.max:
            yield f"{constraint.metric} {value:,} is above {constraint.max:,} {unit}", value - constraint.max, constraint.max
        if constraint.min is not None and value < constraint.min:
            yield f"{constraint.metric} {value:,} is below {constraint.min:,} {unit}", constraint.min - value, constraint.min
