"""`nas diff` compares whatever can be named; what needs no service asks none."""

import json
from pathlib import Path

import pytest

from nas.cli import build
from nas.cli.failures import MISSING, UNREACHABLE, USAGE, exit_code_of
from nas.errors import NasError
from nas.store.views import StudyRow
from search_spaces.zoo import ZOO
from tests.service import Service, finished, nas


@pytest.fixture
def done(service: Service) -> StudyRow:
    return finished(service)


def test_zoo_entries_and_files_need_no_service(tmp_path: Path) -> None:
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "architecture.json").write_text(ZOO["samba"].build(128, 50).to_json())
    found = nas("diff", "zoo:jamba", str(tmp_path / "exported"), "--context", "64")
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert any("zoo:jamba at a width of 128" in line for line in lines)
    assert "~ [mamba·2x16n | moe8k2x128] → [attn8/4w64 | ffn256]  core[1]" in lines
    assert "      mixers[0]: mamba·2x16n → attn8/4w64" in lines
    assert sum(line.startswith("- ") for line in lines) == 4
    assert lines[-1].split()[0] == "64"
    assert "scores belong to trials" in found.stderr


def test_json_is_the_comparison_of_the_api(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(ZOO["mamba"].build(32, 50).to_json())
    found = nas("diff", str(file), "zoo:mamba", "--json")
    data = json.loads(found.stdout)
    assert data["equal"]
    assert data["a"]["digest"] == ZOO["mamba"].build(32, 50).digest
    assert {"fields", "layers", "costs", "verdict", "reason"} <= data.keys()
    other = json.loads(nas("diff", str(file), "zoo:mamba", "--json", "--d-model", "64", "--vocab-size", "9").stdout)
    assert {(field["field"], field["a"], field["b"]) for field in other["fields"]} == {
        ("d_model", 32, 64), ("input.vocab_size", 50, 9),
    }  # fmt: skip


def test_trials_are_compared_through_the_service(service: Service, done: StudyRow) -> None:
    numbers = [json.loads(line)["trial"]["number"] for line in service.nas("top", done.id, "--json").stdout.splitlines()][:2]
    found = json.loads(service.nas("diff", f"{done.id}/{numbers[0]}", f"finished/{numbers[1]}", "--json").stdout)
    assert [found[side]["score"]["number"] for side in "ab"] == numbers
    assert found["verdict"] != "unscored"
    digest = found["a"]["digest"]
    shown = service.nas("diff", digest[:12], f"finished/{numbers[0]}")
    assert shown.returncode == 0, shown.stderr
    assert f"architecture {digest[:12]}" in shown.stdout
    assert "the architectures are equal" in shown.stderr
    assert service.nas("diff", "finished/999", "zoo:mamba").returncode == MISSING


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("zoo:nobody", "zoo:mamba"), MISSING, "no zoo entry 'nobody'"),
        (("mamba", "zoo:mamba"), USAGE, "did you mean zoo:mamba?"),
        (("missing.json", "zoo:mamba"), USAGE, "cannot read missing.json: No such file"),
        (("broken.json", "zoo:mamba"), USAGE, "broken.json:1:2: not JSON"),
        (("digits.json", "zoo:mamba"), USAGE, "digits.json cannot be read as JSON"),
        (("list.json", "zoo:mamba"), USAGE, "list.json holds no JSON object; an architecture is one"),
        (("strange.json", "zoo:mamba"), USAGE, "strange.json is no architecture: /core: is required"),
        (("zoo:mamba", "zoo:mamba", "--context", "5", "--context", "5"), USAGE, "different context lengths"),
        (("zoo:mamba", "zoo:mamba", "--d-model", "13"), USAGE, "zoo:mamba cannot be built: d_model 13"),
        (("recall/1", "zoo:mamba", "--url", "http://127.0.0.1:9"), UNREACHABLE, "no answer"),
    ],
)
def test_what_cannot_be_compared_is_said(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"broken": "{x", "digits": f'{{"d_model": {"9" * 5000}}}', "list": "[]", "strange": '{"d_model": 64}'}
    for name, text in files.items():
        (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(NasError) as refused:
        build()(["diff", *arguments], prog_name="nas", standalone_mode=False)
    assert message in str(refused.value)
    assert exit_code_of(refused.value) == code
