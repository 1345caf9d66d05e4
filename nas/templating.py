"""Templates become pages: one way to set them up, and the filters that write numbers the same on all of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nas.quantities import short_bytes, short_count, short_number


def environment(folder: Path, **filters: Callable[..., Any]) -> Environment:
    """For the templates of a folder. Everything is escaped, and a name that nobody gave is an error."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(count=short_count, number=short_number, bytes=short_bytes, score=_score, percent=_percent, **filters)
    return made


def _score(value: float | None) -> str:
    """Four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def _percent(value: float) -> str:
    """Whole percents."""
    return f"{100 * value:.0f} %"
