"""The report's charts, each a function of the report to one small SVG, or nothing where there is nothing to draw."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from nas.quantities import short_count
from nas.report.document import Attribution, Progress, RateCurve, RungCalibration, Standing
from nas.report.svg import BOTTOM, WIDTH, Scale, dot, drawing, element, line, path, text, x_axis, y_axis

MAX_ROWS: Final = 30
MAX_SEEDED: Final = 16
MAX_GENES: Final = 6
ROW: Final = 17
LABELS: Final = 92
RIGHT: Final = WIDTH - 10


def name_of(number: int, reference: str | None) -> str:
    """How a trial is called."""
    return reference or f"#{number}"


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _count(value: float) -> str:
    return short_count(round(value))


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of a dot plot."""

    label: str
    value: float
    low: float
    high: float
    band: int
    class_: str
    title: str


def _dot_plot(rows: Sequence[_Row], title: str, label: str) -> Markup:
    """Values with intervals below each other. Rows of one band stand on one ground."""
    bottom = 6 + ROW * len(rows)
    scale = Scale.around([end for row in rows for end in (row.low, row.high, row.value)], LABELS, RIGHT)
    parts = [
        element("rect", x=0, y=6 + ROW * at, width=WIDTH, height=ROW, class_="band")
        for at, row in enumerate(rows)
        if row.band % 2
    ]
    parts.append(x_axis(scale, 6, bottom, title, _number))
    for at, row in enumerate(rows):
        y = 6 + ROW * (at + 0.5)
        parts += [
            text(LABELS - 7, y + 4, _short(row.label), "end"),
            line(scale(row.low), y, scale(row.high), y, f"range {row.class_}"),
            dot(scale(row.value), y, row.class_, row.title),
        ]
    return drawing(bottom + BOTTOM, label, *parts)


def leaders(board: Sequence[Standing]) -> Markup | None:
    """Scores with intervals; trials of one tie group share a ground."""
    shown = board[:MAX_ROWS]
    rows = [
        _Row(
            name_of(one.number, one.reference),
            one.score,
            one.low,
            one.high,
            one.group,
            "reference" if one.reference else "own",
            f"{name_of(one.number, one.reference)}: {one.score:.4f} ({one.low:.4f} to {one.high:.4f}), group {one.group}",
        )
        for one in shown
    ]
    label = f"The first {len(rows)} trials with 95 % intervals, in {shown[-1].group if shown else 0} groups of ties."
    return _dot_plot(rows, "Score", label) if rows else None


def effects(found: Attribution) -> Markup | None:
    """The mean score at each value of the genes that explain most."""
    rows = [
        _Row(
            f"{level.value}",
            level.mean.value,
            level.mean.low if level.mean.low is not None else level.mean.value,
            level.mean.high if level.mean.high is not None else level.mean.value,
            at,
            "own",
            f"{gene.gene} {level.value}: {level.mean.value:.4f}, {level.n_trials} trials",
        )
        for at, gene in enumerate(found.genes[:MAX_GENES])
        for level in gene.levels
    ]
    names = ", ".join(gene.gene for gene in found.genes[:MAX_GENES])
    return _dot_plot(rows, "Mean score, other genes as on average", f"Mean score by value of {names}.") if rows else None


def seeds(board: Sequence[Standing]) -> Markup | None:
    """One point per seed: how far apart equal trials fall."""
    shown = [one for one in board[:MAX_ROWS] if len(one.seeds) > 1][:MAX_SEEDED]
    if not shown:
        return None
    bottom = 6 + ROW * len(shown)
    scale = Scale.around([score for one in shown for score in one.seeds], LABELS, RIGHT)
    parts = [x_axis(scale, 6, bottom, "Score of each seed", _number)]
    for at, one in enumerate(shown):
        y, name = 6 + ROW * (at + 0.5), name_of(one.number, one.reference)
        parts.append(text(LABELS - 7, y + 4, _short(name), "end"))
        parts.append(line(scale(one.score), y - 6, scale(one.score), y + 6, "mean"))
        parts += [dot(scale(score), y, "seed", f"{name}: {score:.4f}", 3) for score in one.seeds]
    return drawing(bottom + BOTTOM, f"Scores of {len(shown)} trials, a point for each seed and a line at the mean.", *parts)


HEIGHT: Final = 250
LEFT: Final = 46
TOP: Final = 20


def _frame(x: Scale, y: Scale, x_title: str, y_title: str, *, counts: bool) -> list[Markup]:
    words = _count if counts else _number
    return [x_axis(x, TOP, HEIGHT - BOTTOM, x_title, words), y_axis(y, LEFT, RIGHT, y_title, _number)]


def score_against_cost(board: Sequence[Standing]) -> Markup | None:
    """Score and parameters of the leaders; what no other beats on both is joined."""
    if not board:
        return None
    x = Scale.around([one.params for one in board], LEFT, RIGHT, log=True)
    y = Scale.around([end for one in board for end in (one.low, one.high)], HEIGHT - BOTTOM, TOP)
    parts = _frame(x, y, "Parameters", "Score", counts=True)
    parts.append(path([(x(one.params), y(one.score)) for one in _front(board)], "front", steps=True))
    for one in reversed(board):
        kind = "reference" if one.reference else "own"
        parts.append(line(x(one.params), y(one.low), x(one.params), y(one.high), f"range thin {kind}"))
        title = f"{name_of(one.number, one.reference)}: {one.score:.4f}, {one.params:,} parameters"
        parts.append(dot(x(one.params), y(one.score), kind, title))
    return drawing(HEIGHT, f"Score against parameters of {len(board)} trials; a line joins the best at each size.", *parts)


def _front(board: Sequence[Standing]) -> list[Standing]:
    best, found = -math.inf, []
    for one in sorted(board, key=lambda one: (one.params, -one.score)):
        if one.score > best:
            best = one.score
            found.append(one)
    return found


def rungs(found: RungCalibration, n_rungs: int) -> Markup | None:
    """Each trial's score at a rung against the one at the rung above."""
    pairs = found.pairs
    if len(pairs) < 2:
        return None
    x = Scale.around([pair.lower for pair in pairs], LEFT, RIGHT)
    y = Scale.around([pair.upper for pair in pairs], HEIGHT - BOTTOM, TOP)
    parts = _frame(
        x,
        y,
        f"Validation score at rung {found.lower}",
        "Score on fresh seeds" if found.upper >= n_rungs else f"Score at rung {found.upper}",
        counts=False,
    )
    parts += [
        dot(x(pair.lower), y(pair.upper), "own", f"#{pair.number}: {pair.lower:.4f}, then {pair.upper:.4f}", 3)
        for pair in pairs
    ]
    tau = "" if found.kendall is None else f"τ {found.kendall.value:.2f}"
    parts.append(text(RIGHT, 10, tau, "end", "note"))
    return drawing(HEIGHT, f"Scores of {len(pairs)} trials at rung {found.lower} and {found.upper}. {tau}", *parts)


def growth(grown: Sequence[Progress]) -> Markup | None:
    """The best score against what was spent."""
    if len(grown) < 2:
        return None
    x = Scale.around([one.optimiser_steps for one in grown], LEFT, RIGHT)
    y = Scale.around([one.best for one in grown], HEIGHT - BOTTOM, TOP)
    parts = _frame(x, y, "Optimiser steps of all runs", "Best score", counts=True)
    parts.append(path([(x(one.optimiser_steps), y(one.best)) for one in grown], "curve", steps=True))
    last = grown[-1]
    return drawing(HEIGHT, f"The best score grew to {last.best:.4f} over {last.optimiser_steps:,} optimiser steps.", *parts)


SMALL: Final = (160, 124)


def rate_curve(curve: RateCurve) -> Markup:
    """Validation score against the learning rate, the chosen one marked."""
    width, height = SMALL
    x = Scale.around([point.learning_rate for point in curve.points], 34, width - 8, log=True)
    y = Scale.around([point.validation for point in curve.points], height - BOTTOM, 20)
    places = [(x(point.learning_rate), y(point.validation)) for point in curve.points]
    name = f"{name_of(curve.number, curve.reference)}, {curve.task}"
    parts = [
        text(2, 10, name, "start", "title"),
        *(line(34, y(tick), width - 8, y(tick), "grid") for tick in y.ticks()[::2]),
        *(text(30, y(tick) + 3.5, _number(tick), "end", "tick") for tick in y.ticks()[::2]),
        *(
            text(x(point.learning_rate), height - 20, f"{point.learning_rate:g}", "middle", "tick")
            for point in curve.points[::2]
        ),
        text(width / 2 + 16, height - 5, "Learning rate", "middle", "tick"),
        path(places, "curve"),
    ]
    for point, (at_x, at_y) in zip(curve.points, places, strict=True):
        chosen = point.learning_rate == curve.chosen
        parts.append(dot(at_x, at_y, "chosen" if chosen else "own", f"{point.learning_rate:g}: {point.validation:.4f}"))
    edge = ", at an edge of the grid" if curve.at_edge else ""
    return drawing(height, f"{name}: best at learning rate {curve.chosen:g}{edge}.", *parts, width=width)
