"""Scores, shares and times as the pages show them; counts and bytes are `nas.quantities`."""

from datetime import UTC, datetime


def score(value: float | None) -> str:
    """Four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def percent(value: float) -> str:
    """Whole percents."""
    return f"{100 * value:.0f} %"


def ago(then: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits: `3 min ago`."""
    if then is None:
        return "–"
    seconds = int(((now or datetime.now(UTC)) - then).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"
