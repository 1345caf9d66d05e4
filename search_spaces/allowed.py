"""The allowed values of a space's genes: how documents write them, and the one form they are brought into.

A document gives a gene a list of values or an integer range. Parsed, a list is sorted, numbers before words, and has
no value twice; so spaces that allow the same have one document.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated

from pydantic import Discriminator, Field, Tag, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from search_spaces.catalogue import MAX_DEPTH, genes_of
from search_spaces.document import Document
from search_spaces.genes import Gene, GeneValue, Limits, Mode, Number, shown
from search_spaces.primitives import Problem

Values = Sequence[GeneValue]
Allowed = Mapping[str, Values]

MAX_VALUES = 64


class Range(Document):
    """The integers low, low + step, ..., high."""

    low: int
    high: int
    step: Annotated[int, Field(ge=1)] = 1


def plain(value: object, parse: ValidatorFunctionWrapHandler) -> GeneValue:
    """One error for a wrong type, where the union would report one for each of its members."""
    try:
        return parse(value)  # type: ignore[no-any-return] # the handler of a union of plain types
    except ValidationError as error:
        raise PydanticCustomError("gene_value", "should be a string, a finite number, true or false") from error


def _form(value: object) -> str:
    return "range" if isinstance(value, Mapping | Range) else "list"


GeneValues = Annotated[
    Annotated[tuple[Annotated[GeneValue, WrapValidator(plain)], ...], Field(min_length=1, max_length=MAX_VALUES), Tag("list")]
    | Annotated[Range, Tag("range")],
    Discriminator(_form),
]
Written = Mapping[str, tuple[GeneValue, ...] | Range]


def parse_genes(mode: Mode, genes: Written) -> dict[str, tuple[GeneValue, ...] | Range]:
    """The genes with their values in one form. Raises `pydantic.ValidationError` naming each gene that is wrong."""
    limits = _limits(mode)
    refuse(_unknown(genes, limits.keys(), mode))
    refuse(problem for name, values in genes.items() for problem in _wrong(name, values, limits[name]))
    parsed = {name: _sorted(values, limits[name]) for name, values in genes.items()}
    refuse(_too_deep(parsed, mode))
    return parsed


def allowed_values(mode: Mode, genes: Written) -> dict[Gene, Values]:
    """The values of every gene of the catalogue, in the catalogue's order, from parsed genes."""
    return {gene: _allowed(genes, gene) for gene in genes_of(mode, _deepest(mode, genes))}


def refuse(problems: Iterable[Problem]) -> None:
    """Raise `pydantic.ValidationError` at `genes.FIELD` for each problem, if there is any."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("gene", "{reason}", {"reason": problem.reason}),
            loc=("genes", problem.field),
            input=problem.field,
        )
        for problem in problems
    ]
    if errors:
        raise ValidationError.from_exception_data("Space", errors)


def _limits(mode: Mode) -> dict[str, Limits]:
    """Limits of every name a document may use."""
    genes = genes_of(mode, MAX_DEPTH[mode])
    return {name: gene.limits for gene in genes for name in (gene.name, gene.everywhere) if name}


def _unknown(names: Iterable[str], known: Iterable[str], mode: Mode) -> Iterator[Problem]:
    names_known = list(known)
    for name in names:
        if name not in names_known:
            close = get_close_matches(name[:80], names_known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names_known[:40])}"
            yield Problem(name[:80], f"no gene of {mode} mode; {hint}")


def _wrong(name: str, values: tuple[GeneValue, ...] | Range, limits: Limits) -> Iterator[Problem]:
    if isinstance(values, Range) and not (isinstance(limits, Number) and limits.whole):
        yield Problem(name, f"a range is for integers; list the values instead, each one of: {limits}")
        return
    if isinstance(values, Range) and (values.low > values.high or (values.high - values.low) % values.step):
        yield Problem(name, "high must be low plus a multiple of step")
    parsed = []
    for value in (values.low, values.high) if isinstance(values, Range) else values:
        try:
            parsed.append(limits.parse(value))
        except ValueError as error:
            yield Problem(name, str(error))
    if not isinstance(values, Range) and len(set(parsed)) < len(parsed):
        yield Problem(name, f"{shown(next(value for value in parsed if parsed.count(value) > 1))} is listed twice")


def _sorted(values: tuple[GeneValue, ...] | Range, limits: Limits) -> tuple[GeneValue, ...] | Range:
    if isinstance(values, Range):
        return values
    parsed = [limits.parse(value) for value in values]
    numbers = sorted(value for value in parsed if not isinstance(value, str))
    return (*numbers, *sorted(value for value in parsed if isinstance(value, str)))


def _allowed(genes: Written, gene: Gene) -> Values:
    values = genes.get(gene.name, genes.get(gene.everywhere, (gene.default,)))
    return range(values.low, values.high + 1, values.step) if isinstance(values, Range) else values


def _deepest(mode: Mode, genes: Written) -> int:
    depth = next(gene for gene in genes_of(mode, 1) if gene.name == "depth")
    return int(_allowed(genes, depth)[-1])


def _too_deep(genes: Written, mode: Mode) -> Iterator[Problem]:
    """Positions that are named and no depth reaches."""
    reached = {name for gene in genes_of(mode, _deepest(mode, genes)) for name in (gene.name, gene.everywhere)}
    for name in genes.keys() - reached:
        yield Problem(name, f"no layer is that high: depth is at most {_deepest(mode, genes)}, layers count from 0")
