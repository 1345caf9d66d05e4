"""Cost formulas as the primitives write them, evaluated: `2 H dh (L + 1)`, symbols side by side are products."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from search_spaces.primitives import CostContext, Primitive

TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|[-+*/^(),]|\S")
FUNCTIONS = {"ceil": math.ceil, "min": min}
OPERATORS = {"mod": "%", "or": "or", "^": "**"}


def evaluated(part: Primitive, formula: str, d_model: int, context: CostContext) -> float:
    """The value of one of a part's formulas; SyntaxError or NameError when it is not one."""
    symbols: dict[str, Any] = {"d": d_model, "L": context.context_length, "b": context.bytes_per_element, **part.__dict__}
    for name, definition in _definitions(part.formulas.where):
        symbols[name] = _value(definition, symbols)
    return float(_value(formula, symbols))


def _definitions(where: str) -> Iterator[tuple[str, str]]:
    for clause in where.split(", "):
        name, _, definition = clause.partition(" = ")
        if definition and "tokens that" not in definition:
            yield name, definition


def _value(formula: str, symbols: Mapping[str, Any]) -> Any:
    return eval(" ".join(_with_products(TOKEN.findall(formula))), {"__builtins__": FUNCTIONS}, dict(symbols))


def _with_products(tokens: Iterable[str]) -> Iterator[str]:
    """Python's tokens, with a `*` between two values side by side."""
    before = ""
    for token in tokens:
        if (before == ")" or _names_value(before)) and (token == "(" or token in FUNCTIONS or _names_value(token)):
            yield "*"
        yield OPERATORS.get(token, token)
        before = token


def _names_value(token: str) -> bool:
    return token.isdigit() or (token.isidentifier() and token not in {*FUNCTIONS, *OPERATORS})
