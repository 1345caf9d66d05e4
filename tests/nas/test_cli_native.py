"""`nas export zoo:NAME` writes a model that transformers loads, or says why it cannot, and never touches what is there."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file

from nas.cli.failures import MISSING, USAGE
from nas.export.huggingface.native import MODEL_CLASSES
from tests.service import nas

FILES = {"architecture.json", "config.json", "generation_config.json", "model.safetensors", "parity.safetensors"}


def test_zoo_entry_is_exported_and_loads(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "model"
    sizes = ("--d-model", "32", "--vocab-size", "50", "--seed", "4")
    done = nas("export", "zoo:mamba2", "--format", "native", "--out", str(folder), *sizes)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    said = " ".join(done.stderr.split())
    assert "as a Mamba2ForCausalLM" in said
    assert "not mamba: core[0]: recurrence; a layer of transformers' mamba is one mamba" in said
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert (model.config.hidden_size, model.config.vocab_size) == (32, 50)
    parity = load_file(folder / "parity.safetensors")
    with torch.no_grad():
        difference = (model(parity["input_ids"]).logits - parity["logits"]).abs().max()
    assert difference <= 1e-5 * parity["logits"].abs().max()


def test_refusal_lists_every_family(tmp_path: Path) -> None:
    done = nas("export", "zoo:samba", "--json", "--out", str(tmp_path / "samba"))
    assert done.returncode == USAGE
    assert "no class of transformers has all of zoo:samba" in done.stderr
    assert "jamba: bcdt_norm must be true" in done.stderr
    said = json.loads(done.stdout)
    assert said["native"] is None
    assert {refusal["target"] for refusal in said["refusals"]} > {form.model_type for form in MODEL_CLASSES}
    assert said["refusals"][0]["target"] == "jamba"
    assert not (tmp_path / "samba").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("zoo:../mamba",), MISSING, "no zoo entry '../mamba'"),
        (("zoo:mamba", "--d-model", "13"), USAGE, "d_model 13: zoo entries need a multiple of 8"),
        (("zoo:mamba", "--format", "bundle"), USAGE, "zoo:mamba can only be exported with --format native"),
        (("zoo:mamba", "--trial", "3"), USAGE, "--trial does not apply to zoo:mamba"),
        (("my study", "--format", "native"), USAGE, "my study can only be exported with --format bundle"),
        (("my study", "--vocab-size", "9"), USAGE, "--vocab-size does not apply to my study"),
    ],
)
def test_what_cannot_be_exported_is_said(arguments: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    done = nas("export", *arguments, "--out", str(tmp_path / "out"))
    assert (done.returncode, list(tmp_path.iterdir())) == (code, [])
    assert message in done.stderr


def test_nothing_that_is_there_is_lost(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    for folder in (tmp_path, kept, kept / "below"):
        done = nas("export", "zoo:mamba", "--out", str(folder))
        assert done.returncode == USAGE
        assert str(folder) in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert kept.read_text() == "mine"
