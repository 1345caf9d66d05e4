"""`nas primitives` lists every part that layers are made of, for people and for programs."""

import json

import pytest
from pydantic import TypeAdapter

from nas.catalogues import PrimitiveInfo
from nas.catalogues import primitives as everything
from nas.cli.failures import MISSING
from nas.quantities import short_count
from search_spaces.primitives import CATALOGUE
from search_spaces.reference.fields import fields_of
from tests.service import nas


@pytest.mark.parametrize("columns", [100, 60])
def test_primitives_lists_everything_within_the_terminal(columns: int) -> None:
    text = nas("primitives", COLUMNS=str(columns)).stdout
    # rows of numbers need 76 columns; words are wrapped
    assert max(len(line) for line in text.splitlines()) <= max(columns, 76)
    said = " ".join(text.split())
    for primitive in everything():
        row = next(line for line in text.splitlines() if line.split()[:1] == [primitive.kind])
        assert short_count(primitive.cost.params) in row
        assert short_count(primitive.cost.flops_per_token) in row
        for words in (primitive.title, primitive.equation, primitive.source):
            assert " ".join(words.split()) in said


def test_primitives_explains_the_knobs_of_what_is_asked_for() -> None:
    found = nas("primitives", "attention", "moe", COLUMNS="100")
    rows = [line.split()[0] for line in found.stdout.splitlines() if line and not line.startswith(" ")]
    assert rows == ["kind", "attention", "moe"]
    said = " ".join(found.stdout.split())
    for kind in ("attention", "moe"):
        for field in fields_of(CATALOGUE[kind]):
            assert f"{field.name} ({field.allowed}" in said
            assert field.meaning in said
    assert "context of 1,024 tokens" in found.stderr


def test_primitives_speaks_json() -> None:
    lines = nas("primitives", "--json").stdout.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == list(CATALOGUE)
    everywhere = TypeAdapter(tuple[PrimitiveInfo, ...]).dump_python(everything(), mode="json")
    assert [json.loads(line) for line in lines] == everywhere


def test_primitives_names_what_there_is_instead() -> None:
    found = nas("primitives", "atention")
    assert found.returncode == MISSING
    assert "no primitive 'atention'; there are attention" in found.stderr
