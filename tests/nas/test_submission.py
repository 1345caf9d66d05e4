"""From what is submitted to a study: presets, corpora, and the schema that says what may be sent."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nas.errors import Invalid
from nas.pricing import quote
from nas.study import StudySpec
from nas.submission import read_spec, request_schema
from search_spaces.presets import PRESETS
from tests.nas.spaces import TINY

MANY = 10**9
PRESET: dict[str, object] = {"name": "x", "space": {"preset": "recall_demo"}}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_space_written_out(name: str):
    by_name = read_spec({"name": "x", "space": {"preset": name}}, None, MANY)
    written = read_spec({"name": "x", "space": PRESETS[name]().to_data()}, None, MANY)
    assert by_name == written == StudySpec(name="x", space=PRESETS[name]())


@pytest.mark.parametrize(
    "space", [{"preset": "none"}, {"preset": 1}, {"preset": "recall_demo", "mode": "macro"}, {}, [], None, "x"]
)
def test_other_spaces_are_refused(space: object):
    with pytest.raises(Invalid) as raised:
        read_spec({"name": "x", "space": space}, None, MANY)
    assert raised.value.problems[0].pointer.startswith("/space")


def test_the_schema_takes_both_forms_and_nothing_else():
    schema = request_schema("#/$defs/{model}")
    validator = Draft202012Validator(schema)
    validator.validate(PRESET)
    validator.validate({"name": "x", "space": PRESETS["recall_demo"]().to_data()})
    assert not validator.is_valid({"name": "x", "space": {"preset": "none"}})
    assert not validator.is_valid(PRESET | {"colour": "red"})


def corpus(path: str) -> dict[str, object]:
    return PRESET | {"protocol": {"tasks": [{"name": "mqar"}, {"name": "bytes_lm", "corpus": path}]}}


def test_corpora_lie_below_the_data_root(tmp_path: Path):
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "a.txt").write_text("a")
    (tmp_path / "outside.txt").write_text("b")
    (root / "link").symlink_to(tmp_path / "outside.txt")
    (root / "inside").symlink_to(root / "folder")
    for path in ("folder", "folder/a.txt", "inside/a.txt", "python-stdlib"):
        assert read_spec(corpus(path), root, MANY)
    for path in (
        "../outside.txt",
        "link",
        "/etc/passwd",
        str(root / "folder"),
        "folder/../../outside.txt",
        # workers refuse it, so it must not be accepted here
        "folder/../folder/a.txt",
        "a" * 300,
        "nul\0byte",
        "absent",
        "~",
        "file:///etc",
    ):
        with pytest.raises(Invalid) as raised:
            read_spec(corpus(path), root, MANY)
        assert raised.value.problems[0].pointer == "/protocol/tasks/1/corpus"
        # what lies outside and what is not there are told in the same words
        assert "no such file or folder below the data root" in raised.value.problems[0].reason


def test_without_a_data_root_there_are_only_built_in_corpora():
    assert read_spec(corpus("python-stdlib"), None, MANY)
    with pytest.raises(Invalid):
        read_spec(corpus("folder"), None, MANY)


def test_a_space_that_is_too_large_for_the_service_is_refused_with_the_figures():
    document = {"name": "x", "space": TINY.to_data()}
    smallest = quote(read_spec(document, None, MANY), MANY).least.params
    assert read_spec(document, None, smallest)
    with pytest.raises(Invalid) as raised:
        read_spec(document, None, smallest - 1)
    assert raised.value.problems[0].pointer == "/space/genes"
    assert f"accepts {smallest - 1:,} parameters" in raised.value.problems[0].reason
    assert f"has {smallest:,}" in raised.value.problems[0].reason
