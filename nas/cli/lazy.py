"""A command that is known by name and help alone, and imported when it is used."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class LazyCommand(TyperCommand):
    """Stands in for `module:attribute`, a command function or a `typer.Typer` with commands of its own."""

    def __init__(self, name: str, target: str, help: str, panel: str) -> None:
        super().__init__(name, help=help, rich_help_panel=panel)
        self.target = target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the real command, which the group then invokes."""
        return self.load().make_context(info_name, args, parent=parent, **extra)

    def load(self) -> Any:
        """Import the module and build the command."""
        module, _, attribute = self.target.partition(":")
        found: typer.Typer | Callable[..., None] = getattr(import_module(module), attribute)
        app = found if isinstance(found, typer.Typer) else _single(self.name, found)
        return typer.main.get_command(app)


def _single(name: str | None, function: Callable[..., None]) -> typer.Typer:
    app = typer.Typer(add_completion=False)
    app.command(name)(function)
    return app
