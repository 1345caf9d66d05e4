"""Sizes as people write them: `350M`, `1.3B`, `7b`, `350_000_000`."""

import re
from decimal import Decimal

SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
MAX_SIZE = 10**12
_SIZE = re.compile(r"(\d+(?:[_,]\d{3})*|\d+)(\.\d+)? ?([kmbgt]?)", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """A number of parameters from `350M`, `1.3B`, `7b`, `125k` or `350_000_000`: decimal thousands, at least 1, at most 10^12.

    Raises ValueError for anything else, saying how sizes are written.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size; write a number such as 350M, 1.3B or 350_000_000")
    whole, fraction, suffix = found.groups()
    size = Decimal(re.sub("[_,]", "", whole) + (fraction or "")) * SUFFIXES[suffix.lower()]
    if size != int(size):
        raise ValueError(f"{text!r} is not a whole number of parameters; write more, or fewer digits")
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"{text!r} must be at least 1 and at most 1T")
    return int(size)


def format_size(size: int) -> str:
    """`350.3M`: at most four digits and a letter."""
    for suffix in ("T", "B", "M", "k"):
        unit = SUFFIXES[suffix.lower()]
        if size >= unit:
            return f"{size / unit:.4g}{suffix}"
    return str(size)
