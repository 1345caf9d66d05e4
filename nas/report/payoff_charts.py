"""Charts of whether the search paid: its curve beside a baseline's, up to the cost that both have come to."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from nas.quantities import short_count
from nas.report.payoff_document import Comparison, CostPoint, SearchArm
from nas.report.svg import BOTTOM, WIDTH, Scale, area, drawing, path, text, x_axis, y_axis

HEIGHT: Final = 250
LEFT: Final = 46
RIGHT: Final = WIDTH - 10
TOP: Final = 20

Named = tuple[str, Sequence[CostPoint]]


def scores(search: SearchArm, comparison: Comparison) -> Markup | None:
    """The score that would be taken home."""
    curves = [search.curve, comparison.baseline.curve]
    return _curves(search, comparison, curves, "Score taken home", f"Score against {comparison.baseline.sampler}")


def hypervolumes(search: SearchArm, comparison: Comparison) -> Markup | None:
    """The share of the box of the objectives that is dominated."""
    curves = [search.hypervolume, comparison.baseline.hypervolume]
    return _curves(search, comparison, curves, "Hypervolume", f"Hypervolume against {comparison.baseline.sampler}")


def alone(search: SearchArm, *, hypervolume: bool) -> Markup | None:
    """The search's own curve, where there is nothing to hold it against."""
    points = search.hypervolume if hypervolume else search.curve
    title = "Hypervolume" if hypervolume else "Score taken home"
    return _drawn([(search.sampler, points)], title, f"{title} of {search.sampler}") if len(points) > 1 else None


def _curves(
    search: SearchArm, comparison: Comparison, curves: Sequence[Sequence[CostPoint]], title: str, label: str
) -> Markup | None:
    """None where one of the two has no curve yet."""
    shared = [[point for point in each if point.optimiser_steps <= comparison.optimiser_steps] for each in curves]
    if min(map(len, shared)) < 2:
        return None
    names = (search.sampler, comparison.baseline.sampler)
    return _drawn(list(zip(names, shared, strict=True)), title, f"{label}, by optimiser steps. {comparison.headline}")


def _drawn(curves: Sequence[Named], title: str, label: str) -> Markup:
    every = [point for _, points in curves for point in points]
    x = Scale.around([point.optimiser_steps for point in every], LEFT, RIGHT)
    y = Scale.around([end for point in every for end in (point.low, point.high)], HEIGHT - BOTTOM, TOP)
    words = [
        x_axis(x, TOP, HEIGHT - BOTTOM, "Optimiser steps of the search's own runs", lambda steps: short_count(round(steps))),
        y_axis(y, LEFT, RIGHT, title, lambda value: f"{value:.3g}"),
    ]
    bands, lines = [], []
    for (name, points), kind in zip(curves, ("own", "reference"), strict=False):
        placed = [(x(point.optimiser_steps), y(point.value)) for point in points]
        low, high = ([(x(point.optimiser_steps), y(getattr(point, end))) for point in points] for end in ("low", "high"))
        bands.append(area(low, high, f"band-of {kind}"))
        lines.append(path(placed, f"curve {kind}"))
        lines.append(text(RIGHT - 4, HEIGHT - BOTTOM - 8 - 14 * len(lines) / 2, name, "end", f"note {kind}"))
    return drawing(HEIGHT, label, *words, *bands, *lines)
