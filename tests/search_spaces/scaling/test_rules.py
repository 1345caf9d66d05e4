import typing

import pytest

from search_spaces.document import Document
from search_spaces.inputs import BytePatchInput, ContinuousInput, TokenInput
from search_spaces.layer import Layer
from search_spaces.loop import Loop
from search_spaces.numerics import Numerics
from search_spaces.objectives import MultiTokenPrediction, NextLatent
from search_spaces.primitives import CATALOGUE
from search_spaces.scaling.rules import RULES, Rule
from search_spaces.structure import Structure

DOCUMENTS: tuple[type[Document], ...] = (
    *CATALOGUE.values(), Layer, TokenInput, BytePatchInput, ContinuousInput, Loop, Numerics, MultiTokenPrediction, NextLatent,
    Structure,
)  # fmt: skip


def _sizes(kind: type[Document]) -> set[str]:
    """Every field that holds a number, a list or a document: all that is no switch and no choice of words or of bits."""
    return {name for name, field in kind.model_fields.items() if not _is_choice(field.annotation)}


def _is_choice(annotation: object) -> bool:
    if typing.get_origin(annotation) is typing.Literal or annotation in (bool, str, type(None)):
        return True
    options = typing.get_args(annotation)
    return len(options) == 2 and type(None) in options and all(map(_is_choice, options))


@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
def test_every_number_of_an_architecture_has_a_rule(kind: type[Document]) -> None:
    assert set(RULES[kind]) == _sizes(kind)


def test_no_rule_is_for_anything_else() -> None:
    assert set(RULES) == set(DOCUMENTS)
    assert {rule for rules in RULES.values() for rule in rules.values()} == set(Rule)
