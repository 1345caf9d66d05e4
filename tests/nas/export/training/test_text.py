"""YAML and TOML as other programs read them."""

import tomllib

import pytest
import yaml as pyyaml

from nas.export.training.text import Table, scalar, toml, yaml

TABLE: Table = {
    "small": 1e-05,
    "large": 1e22,
    "tiny": 2.5e-07,
    "half": 0.5,
    "count": 3,
    "flag": True,
    "word": 'a "b" # c',
    "list": [1, 2.0],
}


@pytest.mark.parametrize("value", [1e-05, 2.5e-07, 1e22, -1e-05, 0.1, 3.0])
def test_floats_stay_floats_in_yaml(value: float) -> None:
    read = pyyaml.safe_load(scalar(value))
    assert isinstance(read, float)
    assert read == value


def test_yaml_is_read_back() -> None:
    table: Table = {**TABLE, "none": None, "inner": {"empty": {}, "deep": {"list": []}}}
    text = yaml(("one", "", "three"), table)
    assert pyyaml.safe_load(text) == table
    assert text.startswith("# one\n#\n# three\n")


def test_toml_is_read_back_without_what_is_none() -> None:
    text = toml(("about",), {"a": TABLE, "b": {"none": None}})
    assert tomllib.loads(text) == {"a": TABLE, "b": {}}
