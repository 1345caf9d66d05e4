"""Whether a trial keeps its study's constraints: exact costs before anything is dispatched, the rest after each result."""

from collections.abc import Iterator, Mapping, Sequence

from nas.metrics import METRICS
from nas.study import Constraint, StudySpec


def exact_limits(spec: StudySpec, max_params: int) -> tuple[Constraint, ...]:
    """What an architecture must keep to be trained: the study's exact constraints and the service's own limit."""
    exact = (constraint for constraint in spec.constraints if constraint.exact)
    return (*exact, Constraint(metric="params", max=max_params))


def measured_limits(spec: StudySpec) -> tuple[Constraint, ...]:
    """What every result must keep."""
    return tuple(constraint for constraint in spec.constraints if not constraint.exact)


def excess(values: Mapping[str, float], constraints: Sequence[Constraint]) -> float:
    """By how much values break the constraints, relative to the bounds and summed; 0 when they keep them all."""
    return sum(beyond / max(abs(bound), 1) for _, beyond, bound in _broken(values, constraints))


def explain(values: Mapping[str, float], constraints: Sequence[Constraint]) -> str | None:
    """Which constraints the values break, for a person; None when they keep them all."""
    return "; ".join(reason for reason, _, _ in _broken(values, constraints)) or None


def _broken(values: Mapping[str, float], constraints: Sequence[Constraint]) -> Iterator[tuple[str, float, float]]:
    for constraint in constraints:
        value = values[constraint.metric]
        if constraint.max is not None and value > constraint.max:
            yield _reason(constraint, value, "above", constraint.max), value - constraint.max, constraint.max
        if constraint.min is not None and value < constraint.min:
            yield _reason(constraint, value, "below", constraint.min), constraint.min - value, constraint.min


def _reason(constraint: Constraint, value: float, where: str, bound: float) -> str:
    unit = METRICS[constraint.metric].unit if constraint.metric in METRICS else ""
    return f"{constraint.metric} {_text(value)} is {where} {_text(bound)} {unit}".rstrip()


def _text(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def margins(values: Mapping[str, float], constraints: Sequence[Constraint]) -> dict[str, float]:
    """By how much each constraint whose metric is known is broken, relative to its bound; at 0 and below it is kept."""
    return {
        f"{constraint.metric} [{index}]": max(_margins(values[constraint.metric], constraint))
        for index, constraint in enumerate(constraints)
        if constraint.metric in values
    }


def _margins(value: float, constraint: Constraint) -> Iterator[float]:
    if constraint.max is not None:
        yield (value - constraint.max) / max(abs(constraint.max), 1)
    if constraint.min is not None:
        yield (constraint.min - value) / max(abs(constraint.min), 1)
