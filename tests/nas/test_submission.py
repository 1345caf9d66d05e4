"""From what is submitted to a study: presets, files, and the schema that says what may be sent."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from nas.data.corpus import load
from nas.errors import Invalid
from nas.pricing import quote
from nas.protocol_presets import PRESETS as PROTOCOLS
from nas.study import StudySpec
from nas.submission import read_spec, request_schema
from nas.tasks import MQAR, BytesLM
from search_spaces.architecture import TokenInput
from search_spaces.presets import PRESETS
from tests.corpora import story
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


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_preset_is_its_protocol_written_out(name: str):
    by_name = read_spec(PRESET | {"protocol": {"preset": name}}, None, MANY)
    assert by_name == read_spec(PRESET | {"protocol": PROTOCOLS[name]().to_data()}, None, MANY)
    assert by_name.protocol == PROTOCOLS[name]()


def test_a_preset_space_has_the_vocabulary_that_its_tasks_need():
    spec = read_spec(PRESET | {"protocol": {"tasks": [{"name": "mqar", "vocab_size": 1000}]}}, None, MANY)
    assert spec.space == PRESETS["recall_demo"]().model_copy(update={"input": TokenInput(vocab_size=1000)})
    with pytest.raises(Invalid, match="vocab_size is 256; the tasks need 1000"):
        read_spec({"name": "x", "space": PRESETS["recall_demo"]().to_data(), "protocol": spec.protocol.to_data()}, None, MANY)


@pytest.mark.parametrize("protocol", [{"preset": "none"}, {"preset": 1}, {"preset": "mad_mini", "rungs": []}, [], None, "x"])
def test_other_protocols_are_refused(protocol: object):
    with pytest.raises(Invalid) as raised:
        read_spec(PRESET | {"protocol": protocol}, None, MANY)
    assert raised.value.problems[0].pointer.startswith("/protocol")


def test_the_schema_takes_both_forms_and_nothing_else():
    schema = request_schema("#/$defs/{model}")
    validator = Draft202012Validator(schema)
    validator.validate(PRESET)
    validator.validate({"name": "x", "space": PRESETS["recall_demo"]().to_data()})
    validator.validate(PRESET | {"protocol": {"preset": "mad_mini"}})
    assert not validator.is_valid({"name": "x", "space": {"preset": "none"}})
    assert not validator.is_valid(PRESET | {"protocol": {"preset": "none"}})
    assert not validator.is_valid(PRESET | {"colour": "red"})


def corpus(path: str) -> dict[str, object]:
    return PRESET | {"protocol": {"tasks": [{"name": "mqar"}, {"name": "bytes_lm", "corpus": path}]}}


def test_corpora_lie_below_the_data_root(tmp_path: Path):
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "a.txt").write_text(story(4000))
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


def test_submission_pins_what_the_files_hold(tmp_path: Path):
    root, packs = tmp_path / "root", tmp_path / "packs"
    root.mkdir()
    (root / "book.txt").write_text(story(4000))
    first, text = read_spec(corpus("book.txt"), root, MANY, packs).protocol.tasks
    assert first == MQAR()
    assert text == BytesLM(corpus="book.txt", corpus_digest=load("book.txt", root).digest)
    assert [path.name for path in packs.iterdir() if path.is_dir()]
    pinned = PRESET | {"protocol": {"tasks": [text.to_data()]}}
    assert read_spec(pinned, root, MANY).protocol.tasks == (text,)
    (root / "book.txt").write_text(story(4001))
    with pytest.raises(Invalid, match="the corpus has changed since the study was submitted") as raised:
        read_spec(pinned, root, MANY)
    assert raised.value.problems[0].pointer == "/protocol/tasks/0/corpus"


def test_every_file_that_cannot_be_used_is_named(tmp_path: Path):
    tasks = [{"name": "bytes_lm", "corpus": "absent"}, {"name": "mqar"}, {"name": "bytes_lm", "sequence_length": 65_536}]
    with pytest.raises(Invalid) as raised:
        read_spec(PRESET | {"protocol": {"tasks": tasks}}, tmp_path, MANY)
    assert [problem.pointer for problem in raised.value.problems] == ["/protocol/tasks/0/corpus", "/protocol/tasks/2/corpus"]
    assert "shorter sequence_length" in raised.value.problems[1].reason


def matched(target: int, **space: object) -> dict[str, object]:
    return {"name": "x", "space": TINY.to_data() | space, "matched": {"metric": "params", "target": target}}


def test_a_target_that_no_member_reaches_is_refused_with_the_reason():
    assert read_spec(matched(100_000), None, MANY)
    for document, reason in (
        (matched(10), "no FFN width gives params within 2 % of 10: the nearest is"),
        (matched(100_000, genes={"d_model": [32], "channel": ["none"]}), "the model has no FFN"),
    ):
        with pytest.raises(Invalid) as raised:
            read_spec(document, None, MANY)
        assert raised.value.problems[0].pointer == "/matched/target"
        assert reason in raised.value.problems[0].reason


def test_a_space_that_is_too_large_for_the_service_is_refused_with_the_figures():
    document = {"name": "x", "space": TINY.to_data()}
    smallest = quote(read_spec(document, None, MANY), MANY).least.params
    assert read_spec(document, None, smallest)
    with pytest.raises(Invalid) as raised:
        read_spec(document, None, smallest - 1)
    assert raised.value.problems[0].pointer == "/space/genes"
    assert f"accepts {smallest - 1:,} parameters" in raised.value.problems[0].reason
    assert f"has {smallest:,}" in raised.value.problems[0].reason
