"""How a proxy grows to a model of a given size: the rules of `search_spaces/scaling`, as tables."""

from collections.abc import Iterator
from inspect import cleandoc

from search_spaces.architecture import Architecture
from search_spaces.document import Document
from search_spaces.primitives import Primitive
from search_spaces.reference.markdown import code, sourced, table, text
from search_spaces.scaling import ScaleTarget, depth, shape, solve
from search_spaces.scaling.rules import RULES, Rule
from search_spaces.structure import Structure


def growing() -> Iterator[str]:
    """Sections on rules for every number, on depth, on shape, and on how the sizes are found."""
    yield f"## Growing an architecture\n\n{sourced(cleandoc(ScaleTarget.__doc__ or ''))}"
    yield f"### What becomes of every number\n\n{_rules()}"
    yield f"### More layers\n\n{sourced(cleandoc(depth.__doc__ or ''))}"
    yield f"### Width against depth\n\n{sourced(cleandoc(shape.__doc__ or ''))}\n\n{_shapes()}"
    yield f"### Meeting a size\n\n{sourced(cleandoc(solve.__doc__ or ''))}"


def _rules() -> str:
    """Each rule with the fields it is for; those that are only kept have no list."""
    rows = ((text(_fields(rule)), sourced(rule.value)) for rule in Rule if rule is not Rule.INSIDE)
    return table(("fields", "rule"), rows)


def _fields(rule: Rule) -> str:
    if rule is Rule.KEPT:
        return "every other number"
    named = ((_name(kind), [field for field, said in rules.items() if said is rule]) for kind, rules in RULES.items())
    return ", ".join(code(f"{name}.{field}") for name, fields in named for field in fields)


def _name(kind: type[Document]) -> str:
    """A primitive's kind; of other documents the class that the page describes."""
    if kind is Structure:
        return Architecture.__name__
    return str(kind.model_fields["kind"].default) if issubclass(kind, Primitive) else kind.__name__


def _shapes() -> str:
    """The rule beside the models it was read from."""
    rows = (
        (sourced(name), f"{width:,}", str(blocks), f"{shape.usual_blocks(width):.0f}")
        for name, (width, blocks) in shape.PUBLISHED.items()
    )
    return table(("model", ">d_model", ">blocks", ">by the rule"), rows)
