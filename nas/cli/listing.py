"""Lists of things with a cost: a row of numbers for each, wrapped lines below it."""

import shutil
from collections.abc import Iterable
from textwrap import fill

from nas.quantities import short_bytes, short_count
from search_spaces.primitives import Cost

WIDEST = 100
NAME_WIDTH = 28


def terminal_width() -> int:
    """Columns to wrap at: the terminal's, at most 100."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 0)).columns)


def heading(name: str) -> str:
    """Above the rows."""
    return _row(name, ("params", "active", "FLOPs/token", "state"))


def cost_row(name: str, cost: Cost) -> str:
    """Name and cost."""
    counts = (short_count(n) for n in (cost.params, cost.active_params, cost.flops_per_token))
    return _row(name, (*counts, short_bytes(cost.state_bytes)))


def _row(name: str, cells: Iterable[str]) -> str:
    """Cells right-aligned in columns that fit in 80."""
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>12}" for cell in cells)


def indented(line: str, width: int) -> str:
    """Wrapped, further lines a little deeper."""
    return fill(line, width, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
