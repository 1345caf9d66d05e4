import hashlib
import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.document import Document


class Inner(Document):
    kind: Literal["inner"] = "inner"
    size: int = 3


class Outer(Document):
    title: str
    items: tuple[Inner, ...] = ()
    rate: float = 0.5


def test_document_canonical_json_is_sorted_dense_and_without_defaults():
    assert Outer(title="é", items=(Inner(), Inner(size=4))).canonical_json() == (
        '{"items":[{"kind":"inner"},{"kind":"inner","size":4}],"title":"é"}'
    )


def test_document_digest_is_sha256_of_the_canonical_json():
    document = Outer(title="x")
    assert document.digest == hashlib.sha256(document.canonical_json().encode()).hexdigest()


def test_document_a_new_field_with_a_default_keeps_every_digest():
    class Wider(Outer):
        knob: int = 0

    assert Wider(title="x").digest == Outer(title="x").digest
    assert Wider(title="x", knob=1).digest != Outer(title="x").digest


@given(st.text(), st.lists(st.integers()), st.floats(allow_nan=False, allow_infinity=False))
def test_document_round_trips(title, sizes, rate):
    document = Outer(title=title, items=tuple(Inner(size=size) for size in sizes), rate=rate)
    for again in (Outer.from_json(document.to_json()), Outer.from_data(document.to_data())):
        assert again == document
        assert again.digest == document.digest
    assert Outer.from_data(json.loads(document.canonical_json())) == document


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "x", "extra": 1}',
        '{"title": 1}',
        '{"title": "x", "rate": NaN}',
        '{"title": "x", "rate": Infinity}',
        '{"title": "x", "rate": "0.5"}',
        '{"title": "x", "items": [{"size": 1.5}]}',
        '{"title": "\\ud800"}',
        '{"title": "x"',
        "[]",
    ],
)
def test_document_refuses_what_is_not_exactly_it(text):
    with pytest.raises(ValidationError):
        Outer.from_json(text)


def test_document_is_frozen():
    with pytest.raises(ValidationError):
        setattr(Inner(), "size", 4)  # noqa: B010 # written plainly, mypy already refuses it
