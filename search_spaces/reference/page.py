"""The whole page: every primitive, what models are put together from, what a space may leave open, and how models grow."""

import re
from collections.abc import Callable, Iterable, Iterator
from inspect import cleandoc
from itertools import groupby
from typing import TypeVar

from search_spaces import architecture
from search_spaces.architecture import Architecture, BytePatchInput, ContinuousInput, Layer, Loop, Numerics, TokenInput
from search_spaces.cost import price
from search_spaces.document import Document
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.primitives import CATALOGUE, Cost, Primitive
from search_spaces.primitives.recurrence.members import MEMBERS
from search_spaces.reference.examples import CONTEXT, D_MODEL, EXAMPLES, example_cost
from search_spaces.reference.fields import fields_of
from search_spaces.reference.growing import growing
from search_spaces.reference.markdown import block, bullets, code, equations, link, sourced, table, text
from search_spaces.reference.models import models
from search_spaces.reference.searching import searching

MODELS: tuple[type[Document], ...] = (
    Architecture,
    Layer,
    Loop,
    Numerics,
    TokenInput,
    BytePatchInput,
    ContinuousInput,
    MultiTokenPrediction,
    NextLatent,
)
"""What a model is described by besides its primitives."""

ROLES = {"mixer": "Mixers", "channel": "Channel parts"}
COSTS = (">params", ">active", ">FLOPs/token", ">state bytes")

INTRODUCTION = f"""\
# What can be searched

Written by `make docs` from the code: do not edit. Every number is computed by the service's own exact cost formulas, which the
tests compare with the built modules; the tests evaluate the formulas below, too.

**How to read it.** A *mixer* moves information between tokens, a *channel part* works on each token alone; a layer has up to
four mixers in parallel and a channel part. In formulas `d` is d_model, `L` the context in tokens, `b` the bytes of a number
and `M` the weights that a token is multiplied with; symbols side by side are products. FLOPs are those of decoding `L` tokens
one by one, per token: 2 for each multiply-add of a matrix product or convolution. State is what decoding keeps of a sequence.
*Compared with* says what code of others, or which definition in float64, the tests hold the layer to.

Examples are priced at d = {D_MODEL}, L = {CONTEXT.context_length:,} and b = {CONTEXT.bytes_per_element}."""


def page() -> str:
    """The Markdown of docs/primitives.md."""
    sections = [*_primitives(), *_whole_models(), *searching(), *growing()]
    return "\n\n".join([INTRODUCTION, _contents(sections), _overview(), *sections]) + "\n"


def _contents(sections: Iterable[str]) -> str:
    """Links to every heading of the second and third level, primitives in a row behind their family."""
    lines = ["- " + link("All primitives", "All primitives")]
    for section in sections:
        marks, _, heading = section.partition("\n")[0].partition(" ")
        if marks == "####":
            lines[-1] += (" · " if "](" in lines[-1].partition(":")[2] else ": ") + link(heading.strip("`"), heading)
        else:
            lines.append("  " * (len(marks) - 2) + "- " + link(heading, heading))
    return "\n".join(lines)


def _overview() -> str:
    rows = (
        (link(kind, kind), text(part.title), part.family, *_numbers(example_cost(kind))) for kind, part in CATALOGUE.items()
    )
    return "## All primitives\n\n" + table(("primitive", "what it is", "family", *COSTS), rows)


def _primitives() -> Iterator[str]:
    for role, title in ROLES.items():
        yield f"## {title}"
        kinds = [kind for kind, part in CATALOGUE.items() if part.role == role]
        for family, members in _grouped(kinds, lambda kind: CATALOGUE[kind].family):
            yield f"### The {family} family"
            yield from (_primitive(kind, CATALOGUE[kind]) for kind in members)


_T = TypeVar("_T")


def _grouped(items: Iterable[_T], key: Callable[[_T], str]) -> Iterator[tuple[str, list[_T]]]:
    """Groups in the order of their first members."""
    found: dict[str, list[_T]] = {}
    for name, run in groupby(items, key):
        found.setdefault(name, []).extend(run)
    return iter(found.items())


def _primitive(kind: str, part: type[Primitive]) -> str:
    decodes = "decodes token by token" if part.causal else "sees later tokens: cannot decode, refused in causal tasks"
    paragraphs = [
        f"#### `{kind}`",
        f"**{text(part.title)}** · {decodes}",
        text(cleandoc(part.__doc__ or "")),
        block(equations(part.equation)),
        _cost(kind, part),
        _fields(part),
        *([_members()] if kind == "recurrence" else []),
        f"Compared with: {text(part.oracle)}.",
        f"Source: {sourced(part.source)}.",
    ]
    return "\n\n".join(paragraphs)


def _cost(kind: str, part: type[Primitive]) -> str:
    """Formulas beside the numbers of the example."""
    formulas, cost = part.formulas, example_cost(kind)
    numbers = {"params": cost.params, "FLOPs/token": cost.flops_per_token, "state bytes": cost.state_bytes}
    rows = zip(numbers, (formulas.params, formulas.flops, formulas.state), numbers.values(), strict=True)
    lines = table(("cost", "formula", ">example"), ((name, code(formula), f"{number:,}") for name, formula, number in rows))
    where = f"with {', '.join(map(code, formulas.where.split(', ')))}" if formulas.where else ""
    options = bullets(re.split(r"(?<=\.) (?=[A-Z])", formulas.options)) if formulas.options else ""
    example = f"Example: {code(EXAMPLES[kind].label())}, {code(EXAMPLES[kind].canonical_json())}"
    return "\n\n".join(words for words in (example, lines, where, options) if words)


def _fields(kind: type[Document]) -> str:
    rows = (
        (code(field.name), _linked(field.allowed), text(field.default) or "must be given", sourced(field.meaning))
        for field in fields_of(kind)
    )
    return table(("field", "values", "default", "meaning"), rows)


def _linked(allowed: str) -> str:
    """Names of documents lead to their sections."""
    names = "|".join(model.__name__ for model in MODELS)
    return re.sub(rf"\b({names})\b", lambda name: link(name[0], name[0]), text(allowed))


def _members() -> str:
    """Published members of the recurrence family: the fields that make them."""
    rows = ((name, ", ".join(f"{code(field)} {_word(value)}" for field, value in MEMBERS[name].items())) for name in MEMBERS)
    return "Published members, sizes aside:\n\n" + table(("member", "fields"), rows)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole_models() -> Iterator[str]:
    yield f"## Whole models\n\n{text(cleandoc(architecture.__doc__ or ''))}"
    for model in MODELS:
        yield f"### {model.__name__}\n\n{sourced(cleandoc(model.__doc__ or ''))}\n\n{_fields(model)}"
    rows = [(name, *_numbers(price(built, CONTEXT))) for name, built in models()]
    plain = "The plain model has two layers of the examples of attention and swiglu, and a vocabulary of 256."
    yield f"### What options cost\n\n{plain} Number formats change no cost, but `kv_bits` the state.\n\n" + table(
        ("model", *COSTS), rows
    )


def _numbers(cost: Cost) -> tuple[str, str, str, str]:
    values = (cost.params, cost.active_params, cost.flops_per_token, cost.state_bytes)
    params, active, flops, state = (f"{value:,}" for value in values)
    return params, active, flops, state
