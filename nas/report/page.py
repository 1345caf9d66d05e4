"""A report as one HTML file: no script, nothing loaded from anywhere, readable in light, dark and print."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment

from nas.quantities import duration, short_count
from nas.report import charts, payoff_charts
from nas.report.document import Report, Standing
from nas.report.estimate import Estimate
from nas.study import StudySpec
from nas.templating import environment


def page(report: Report, *, home: str | None = None) -> str:
    """The whole page. `home` is the address of the study's own page, where the report is served beside it."""
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            home=home,
            charts=charts,
            payoff_charts=payoff_charts,
            groups=_groups(report.leaderboard),
            study_json=study_json(report.spec),
        )
    )


def study_json(spec: StudySpec) -> str:
    """The study's document, laid out for reading, ready to be submitted again."""
    return json.dumps(json.loads(spec.canonical_json()), indent=2, ensure_ascii=False)


def _groups(board: tuple[Standing, ...]) -> int:
    return max((one.group for one in board), default=0)


@cache
def _environment() -> Environment:
    return environment(
        Path(__file__).with_name("templates"),
        duration=duration,
        two=lambda value: "–" if value is None else f"{value:.2f}",
        range=_range,
        estimate=_estimate,
        p_value=_p_value,
        moment=_moment,
        pretty=_with_commas,
    )


def _range(low: float, high: float, digits: int = 3) -> str:
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _estimate(found: Estimate | None, digits: int = 2) -> str:
    """`0.71 (0.52 to 0.84)`."""
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} ({_range(found.low, found.high, digits)})"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _moment(at: datetime | None) -> str:
    return "–" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _with_commas(value: int) -> str:
    """All digits of a count that a person may want to read whole; of a longer one how many it has."""
    return f"{value:,}" if value < 10**15 else short_count(value)
