"""A trial's values: as the study's objectives name them, and turned so that larger is better."""

from collections.abc import Mapping, Sequence

from nas.metrics import Metric, exact_metrics, known
from nas.study import StudySpec
from search_spaces.primitives import Cost

Values = tuple[float, ...]


def objectives_of(spec: StudySpec) -> tuple[Metric, ...]:
    """The study's objectives in its order."""
    metrics = known(spec.protocol)
    return tuple(metrics[name] for name in spec.objectives)


def asked_of(spec: StudySpec) -> tuple[str, ...]:
    """What a result must have for the study to go on with it: every metric it names that is not exact, the score first."""
    metrics = known(spec.protocol)
    named = ("score", *spec.objectives, *(constraint.metric for constraint in spec.constraints))
    return tuple(dict.fromkeys(name for name in named if not metrics[name].exact))


def objective_values(objectives: Sequence[Metric], measured: Mapping[str, float], cost: Cost) -> Values:
    """In the order and the units of the objectives."""
    values = {**measured, **exact_metrics(cost)}
    return tuple(float(values[metric.name]) for metric in objectives)


def ranked_values(objectives: Sequence[Metric], measured: Mapping[str, float], cost: Cost) -> Values:
    """The score first, then the other objectives; larger is better in all of them."""
    others = [metric for metric in objectives if metric.name != "score"]
    values = objective_values(others, measured, cost)
    turned = (value if metric.maximize else -value for metric, value in zip(others, values, strict=True))
    return (measured["score"], *turned)


def dominates(one: Values, other: Values) -> bool:
    """At least as good everywhere, and not the same. Larger is better."""
    return one != other and all(left >= right for left, right in zip(one, other, strict=True))
