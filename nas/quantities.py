"""Large numbers as people read them, the same on the pages and in the terminal: three digits and a unit."""

from typing import Final

_THOUSANDS: Final = ("", "K", "M", "G", "T", "P")
_SMALL: Final = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"))
_SCALED: Final = ("s", "J")
"""Units that take a prefix where the number is small."""
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def short_count(value: int) -> str:
    """A count of any size: 1234567 is `1.23M`, and beyond units 10**24 is `1.00e24`."""
    if value >= 1000 ** len(_THOUSANDS):
        # a float could not hold every space's size
        digits = str(value)
        return f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}"
    return "".join(_scaled(value, 1000, _THOUSANDS))


def short_number(value: float) -> str:
    """Any measured number: a large one as a count, and four digits of others."""
    return short_count(round(value)) if abs(value) >= 1000 else f"{value:.4g}"


def short_bytes(value: int) -> str:
    """Binary units: 2048 is `2.00 KiB`."""
    return " ".join(_scaled(value, 1024, _BYTES))


def measured(value: float, unit: str) -> str:
    """A measurement with its unit: four digits, bytes in binary units, times from microseconds on."""
    if unit == "bytes":
        return short_bytes(round(value))
    prefixes = _SMALL if unit.startswith(_SCALED) else _SMALL[:1]
    scale, prefix = next((known for known in prefixes if abs(value) >= known[0]), prefixes[-1])
    return f"{short_number(value / scale)} {prefix}{unit}".rstrip()


def ratio(value: float, base: float) -> str:
    """How many times `base` the value is: `1.5×`, in whole numbers from 100 on; a dash where the base is nothing."""
    if not base:
        return "–"
    found = value / base
    return f"{found:,.0f}×" if found >= 100 else f"{found:.3g}×"


def duration(seconds: float) -> str:
    """A time in its two largest units: `2 h 5 min`, `42.0 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    units = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n]
    return " ".join(units[:2])


def _scaled(value: int, base: int, units: tuple[str, ...]) -> tuple[str, str]:
    if abs(value) < base:
        return str(value), units[0]
    power = 1
    # what would be rounded up to the next unit is written in it: 999999 is 1.00M
    while abs(value) >= (base - 0.5) * base**power and power < len(units) - 1:
        power += 1
    scaled = value / base**power
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f}", units[power]
