"""`nas primitives`: what layers are made of. It needs no service."""

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from nas.catalogues import PrimitiveInfo
from nas.catalogues import primitives as everything
from nas.cli.listing import cost_row, heading, indented, terminal_width
from nas.cli.options import AsJson
from nas.cli.output import print_json, say, to_data
from nas.errors import NotFound
from search_spaces.primitives import CATALOGUE
from search_spaces.reference.examples import CONTEXT, D_MODEL
from search_spaces.reference.fields import FieldText, fields_of


def primitives(
    kinds: Annotated[list[str] | None, typer.Argument(metavar="[KIND]...", help="Only these, with their knobs.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what layers are made of, its cost and its knobs.

    With kinds, every knob is explained. docs/primitives.md has all of it on one page.
    """
    found = _named(kinds or [])
    if as_json:
        for primitive in found:
            print_json(to_data(primitive))
        return
    width = terminal_width()
    texts = ("\n".join(_text(primitive, width, with_knobs=bool(kinds))) for primitive in found)
    sys.stdout.write("\n\n".join([heading("kind"), *texts]) + "\n")
    say(f"\nexamples at a width of {D_MODEL} and a context of {CONTEXT.context_length:,} tokens")


def _named(kinds: Iterable[str]) -> tuple[PrimitiveInfo, ...]:
    """Those of these kinds, in the catalogue's order; all without kinds. Raises NotFound."""
    known, wanted = {primitive.kind: primitive for primitive in everything()}, set(kinds)
    if unknown := sorted(wanted - known.keys()):
        raise NotFound(f"no primitive {unknown[0]!r}; there are {', '.join(sorted(known))}")
    return tuple(primitive for primitive in known.values() if not wanted or primitive.kind in wanted)


def _text(primitive: PrimitiveInfo, width: int, with_knobs: bool) -> Iterator[str]:
    """Kind and cost in a row; below it what it is, what it computes and where it is published, and with knobs all of them."""
    yield cost_row(primitive.kind, primitive.cost)
    sees = "" if primitive.causal else "; sees later tokens"
    yield indented(f"{primitive.title} ({primitive.family} {primitive.role}{sees})", width)
    yield from (indented(line, width) for line in primitive.equation.split("\n"))
    yield indented(f"source: {primitive.source}", width)
    if with_knobs:
        yield indented(f"example: {CATALOGUE[primitive.kind].from_data(primitive.example).canonical_json()}", width)
        yield from (indented(_knob(field), width) for field in fields_of(CATALOGUE[primitive.kind]))


def _knob(field: FieldText) -> str:
    default = f"; default {field.default}" if field.default else ""
    return f"{field.name} ({field.allowed}{default}): {field.meaning}"
