"""`nas zoo`: the published architectures that a study can run as references. It needs no service."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from nas.catalogues import ZooInfo
from nas.catalogues import zoo as everything
from nas.cli.listing import cost_row, heading, indented, terminal_width
from nas.cli.options import AsJson
from nas.cli.output import print_json, say, to_data
from nas.errors import NotFound
from nas.study import CostAt


def zoo(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.")] = None,
    as_json: AsJson = False,
) -> None:
    """List published architectures, their cost, and what is simplified.

    Name them as `references` in a study: they run beside its own trials, at its scale.
    """
    entries = _named(names or [])
    if as_json:
        for entry in entries:
            print_json(to_data(entry))
        return
    width = terminal_width()
    sys.stdout.write("\n\n".join([heading("name"), *(_text(entry, width) for entry in entries)]) + "\n")
    at = CostAt()
    say(f"\nat a width of {entries[0].architecture.d_model} and a context of {at.context_length:,} tokens")


def _named(names: Iterable[str]) -> tuple[ZooInfo, ...]:
    """Those with these names, in the zoo's order; all without names. Raises NotFound."""
    entries, wanted = {entry.name: entry for entry in everything()}, set(names)
    if unknown := sorted(wanted - entries.keys()):
        raise NotFound(f"no zoo entry {unknown[0]!r}; there are {', '.join(sorted(entries))}")
    return tuple(entry for entry in entries.values() if not wanted or entry.name in wanted)


def _text(entry: ZooInfo, width: int) -> str:
    """Name and cost in a row; below it what it is, its layers, what is simplified, and where it is published."""
    lines = (entry.title, entry.summary, f"simplified: {entry.simplified}", f"source: {entry.source}")
    return "\n".join([cost_row(entry.name, entry.cost), *(indented(line, width) for line in lines)])
