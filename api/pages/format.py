"""Numbers as people read them."""

from datetime import UTC, datetime

_THOUSANDS = ("", "K", "M", "G", "T", "P")
_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(value: int) -> str:
    """Three digits and a letter: 1234567 is `1.23M`."""
    return "".join(_scaled(value, 1000, _THOUSANDS))


def n_bytes(value: int) -> str:
    """Binary units: 2048 is `2.00 KiB`."""
    return " ".join(_scaled(value, 1024, _BYTES))


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


def _scaled(value: int, base: int, units: tuple[str, ...]) -> tuple[str, str]:
    power = 0
    while abs(value) >= base ** (power + 1) and power < len(units) - 1:
        power += 1
    digits = 0 if power == 0 else 2 if abs(value) < 10 * base**power else 1 if abs(value) < 100 * base**power else 0
    return f"{value / base**power:.{digits}f}", units[power]
