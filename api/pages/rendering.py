"""The pages' templates: those of `nas.templating`, with addresses of assets and how long ago something was."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment

from api.pages import assets
from api.pages.format import ago
from nas.metrics import METRICS
from nas.quantities import ratio
from nas.templating import environment


def render(template: str, *, signed_in: bool = True, **context: Any) -> str:
    """A page as HTML. Everything in `context` is escaped where it is shown."""
    return _templates().get_template(template).render(signed_in=signed_in, **context)


@cache
def _templates() -> Environment:
    made = environment(Path(__file__).with_name("templates"), ratio=ratio, ago=ago)
    made.globals.update(asset=assets.url, metrics=METRICS)
    return made
