"""Large numbers as people read them, the same on the pages and in the terminal: three digits and a unit."""

from typing import Final

_THOUSANDS: Final = ("", "K", "M", "G", "T", "P")
_BYTES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def short_count(value: int) -> str:
    """A count of any size: 1234567 is `1.23M`, and beyond units 10**24 is `1.00e24`."""
    if value >= 1000 ** len(_THOUSANDS):
        # a float could not hold every space's size
        digits = str(value)
        return f"{digits[0]}.{digits[1:3]}e{len(digits) - 1}"
    return "".join(_scaled(value, 1000, _THOUSANDS))


def short_bytes(value: int) -> str:
    """Binary units: 2048 is `2.00 KiB`."""
    return " ".join(_scaled(value, 1024, _BYTES))


def _scaled(value: int, base: int, units: tuple[str, ...]) -> tuple[str, str]:
    power = 0
    while abs(value) >= base ** (power + 1) and power < len(units) - 1:
        power += 1
    digits = 0 if power == 0 else 2 if abs(value) < 10 * base**power else 1 if abs(value) < 100 * base**power else 0
    return f"{value / base**power:.{digits}f}", units[power]
