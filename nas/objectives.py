"""A trial's values: as the study's objectives name them, and turned so that larger is better."""

from collections.abc import Sequence

from nas.metrics import METRICS
from search_spaces.primitives import Cost

Values = tuple[float, ...]


def objective_values(objectives: Sequence[str], score: float, cost: Cost) -> Values:
    """In the order and the units of the objectives."""
    return tuple(score if name == "score" else float(getattr(cost, name)) for name in objectives)


def ranked_values(objectives: Sequence[str], score: float, cost: Cost) -> Values:
    """The score first, then the other objectives; larger is better in all of them."""
    others = [name for name in objectives if name != "score"]
    signs = [1.0 if METRICS[name].maximize else -1.0 for name in others]
    return (score, *(sign * getattr(cost, name) for sign, name in zip(signs, others, strict=True)))


def dominates(one: Values, other: Values) -> bool:
    """At least as good everywhere, and not the same. Larger is better."""
    return one != other and all(left >= right for left, right in zip(one, other, strict=True))
