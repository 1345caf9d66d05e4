"""Templates become pages: one environment, whose filters write numbers as everywhere else."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.pages import assets, format
from nas.metrics import METRICS
from nas.quantities import ratio, short_bytes, short_count, short_number


def render(template: str, *, signed_in: bool = True, **context: Any) -> str:
    """A page as HTML. Everything in `context` is escaped where it is shown."""
    return _templates().get_template(template).render(signed_in=signed_in, **context)


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=short_count,
        number=short_number,
        bytes=short_bytes,
        ratio=ratio,
        score=format.score,
        percent=format.percent,
        ago=format.ago,
    )
    environment.globals.update(asset=assets.url, metrics=METRICS)
    return environment
