"""`nas zoo` lists every published architecture for people and for programs."""

import json

import pytest
from pydantic import TypeAdapter

from nas.catalogues import ZooInfo
from nas.catalogues import zoo as everything
from nas.cli.failures import MISSING
from nas.quantities import short_count
from search_spaces.zoo import ZOO
from tests.service import nas


@pytest.mark.parametrize("columns", [100, 60])
def test_zoo_lists_everything_within_the_terminal(columns: int) -> None:
    text = nas("zoo", COLUMNS=str(columns)).stdout
    # rows of numbers need 76 columns; words are wrapped
    assert max(len(line) for line in text.splitlines()) <= max(columns, 76)
    said = " ".join(text.split())
    for entry in everything():
        row = next(line for line in text.splitlines() if line.split()[:1] == [entry.name])
        assert short_count(entry.cost.params) in row
        assert short_count(entry.cost.active_params) in row
        assert short_count(entry.cost.flops_per_token) in row
        assert entry.title in said
        assert entry.summary in said
        assert f"simplified: {entry.simplified} source: {entry.source}" in said


def test_zoo_lists_what_is_asked_for() -> None:
    found = nas("zoo", "mamba", "jamba", COLUMNS="100")
    rows = [line.split()[0] for line in found.stdout.splitlines() if line and not line.startswith(" ")]
    assert rows == ["name", "mamba", "jamba"]
    assert "context of 4,096 tokens" in found.stderr


def test_zoo_speaks_json() -> None:
    lines = nas("zoo", "--json").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == list(ZOO)
    assert [json.loads(line) for line in lines] == TypeAdapter(tuple[ZooInfo, ...]).dump_python(everything(), mode="json")


def test_zoo_names_what_there_is_instead() -> None:
    found = nas("zoo", "transformr")
    assert found.returncode == MISSING
    assert "no zoo entry 'transformr'; there are" in found.stderr
    assert "transformer_xl" in found.stderr
