"""`nas export` of what needs no service: it loads elsewhere, or every reason is said, and nothing that was there is touched."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from nas.cli.failures import MISSING, USAGE
from nas.export.archive import verify_manifest
from nas.export.huggingface.native import MODEL_CLASSES
from nas.export.manifest import Drawn, read_collection, read_manifest
from search_spaces.zoo import ZOO
from tests.service import nas

OURS = {"README.md", "architecture.json", "export.json", "parity.safetensors"}
NATIVE = {"config.json", "generation_config.json", "model.safetensors"}
TINY = ("--d-model", "32", "--vocab-size", "50")


def test_zoo_entry_is_exported_and_loads(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    done = nas("export", "zoo:mamba2", "--format", "native", "--out", str(folder), *TINY, "--seed", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    said = " ".join(done.stderr.split())
    assert "zoo:mamba2 is in" in said
    assert "as transformers.Mamba2ForCausalLM" in said
    assert re.search(r"and not \d+ others, for reasons in export.json", said)
    assert {path.name for path in folder.iterdir()} == OURS | NATIVE
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    verify_manifest(folder)
    assert read_manifest(folder).origin == Drawn(seed=4)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert (model.config.hidden_size, model.config.vocab_size) == (32, 50)
    parity = load_file(folder / "parity.safetensors")
    with torch.no_grad():
        difference = (model(parity["input_ids"]).logits - parity["logits"]).abs().max()
    assert difference <= 1e-5 * parity["logits"].abs().max()


def test_refusal_lists_every_family(tmp_path: Path) -> None:
    done = nas("export", "zoo:samba", "--format", "native", "--json", "--out", str(tmp_path / "samba"))
    assert done.returncode == USAGE
    assert "zoo:samba cannot be exported as native" in done.stderr
    assert "jamba: bcdt_norm must be true" in done.stderr
    said = json.loads(done.stdout)
    assert (said["format"], said["folder"]) == ("native", None)
    assert {reason["target"] for reason in said["reasons"]} >= {family.model_type for family in MODEL_CLASSES}
    assert not (tmp_path / "samba").exists()


def test_a_document_leaves_in_every_form_that_it_can_take(tmp_path: Path) -> None:
    document = tmp_path / "mine.json"
    document.write_text(ZOO["samba"].build(32, 64).to_json())
    done = nas("export", str(document), "--format", "all", "--no-weights", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "not as native: " in done.stderr
    assert "reasons, all in exports.json)" in done.stderr
    found = read_collection(tmp_path / "out")
    verify_manifest(tmp_path / "out")
    assert "config" in found.forms
    assert {"native", "bundle"} <= {absence.form for absence in found.absent}
    for form in found.forms:
        assert read_manifest(tmp_path / "out" / form).title == "mine.json"


def test_what_grows_leaves_without_weights_and_says_what_it_costs(tmp_path: Path) -> None:
    arguments = ("zoo:mamba2", "--format", "native", "--scale-to", "30M", "--out", str(tmp_path / "out"))
    done = nas("export", *arguments)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == (OURS | NATIVE | {"scaling.json", "costs.json"}) - {
        "model.safetensors",
        "parity.safetensors",
    }
    said = " ".join(done.stderr.split())
    for words in ("zoo:mamba2, scaled to 3", "there are no weights in it", "how it grew", "1,048,576", "H100"):
        assert words in said
    again = json.loads(nas("export", *arguments, "--force", "--json").stdout)
    assert again["scaling"]["params"] == again["costs"]["params"] == pytest.approx(30e6, rel=0.02)
    assert again["export"]["loads_as"] == "transformers.Mamba2ForCausalLM"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("zoo:../mamba",), MISSING, "no zoo entry '../mamba'"),
        (("zoo:mamba", "--d-model", "13"), USAGE, "zoo:mamba cannot be built: d_model 13: zoo entries need a multiple of 8"),
        (("zoo:mamba", "--trial", "3"), USAGE, "--trial does not apply to zoo:mamba"),
        (("zoo:mamba", "--task", "mqar"), USAGE, "--task does not apply to zoo:mamba"),
        (("zoo:mamba", "--format", "bundle"), USAGE, "a bundle is of a scored trial"),
        (("zoo:mamba", "--format", "pickle"), USAGE, "'pickle' is not one of"),
        (("zoo:mamba", "--format", "native", "--scale-to", "3X"), USAGE, "'3X' is no size"),
        (("zoo:mamba", "--format", "native", "--growth", "stack"), USAGE, "say how large"),
        (("my study", "--seed", "9"), USAGE, "--seed does not apply to my study"),
        (("my study", "--d-model", "9"), USAGE, "--d-model does not apply to my study"),
        (("absent.json",), MISSING, "there is no file absent.json"),
    ],
)
def test_what_cannot_be_exported_is_said(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    done = nas("export", *arguments, "--out", str(tmp_path / "out"))
    assert (done.returncode, list(tmp_path.iterdir())) == (code, [])
    assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"d_model": -1}', "\x00"])
def test_a_file_that_is_no_architecture_is_refused(text: str, tmp_path: Path) -> None:
    document = tmp_path / "bad.json"
    document.write_text(text)
    done = nas("export", str(document), "--out", str(tmp_path / "out"))
    assert (done.returncode, [path.name for path in tmp_path.iterdir()]) == (USAGE, ["bad.json"])
    assert f"{document} is not the document of an architecture" in " ".join(done.stderr.split())


def test_nothing_that_is_there_is_lost(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    for folder in (tmp_path, kept, kept / "below"):
        for extra in ((), ("--force",)):
            done = nas("export", "zoo:mamba", "--format", "config", "--out", str(folder), *extra)
            assert done.returncode == USAGE
            assert str(folder) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = nas("export", "zoo:mamba", "--format", "config", "--out", str(tmp_path / "out"))
    assert done.returncode == USAGE
    assert "cannot be written" in done.stderr
