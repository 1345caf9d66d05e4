"""Times as the pages show them; numbers are `nas.templating`."""

from datetime import UTC, datetime


def ago(then: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits: `3 min ago`."""
    if then is None:
        return "–"
    seconds = int(((now or datetime.now(UTC)) - then).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"
