"""What a custom model's folder holds, what is refused, and when a class of transformers is taken instead."""

import ast
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nas.errors import Invalid
from nas.export.form import Subject
from nas.export.forms import FORMS
from nas.export.huggingface.auto import HUGGINGFACE
from nas.export.huggingface.custom.code import names
from nas.export.huggingface.custom.folder import write_custom
from search_spaces.architecture import Architecture, ContinuousInput
from search_spaces.zoo import ZOO
from tests.nas.export.huggingface.comparison import weights_of
from tests.nas.export.huggingface.custom.test_custom import MODELS
from workers.model import build


def subject(architecture, weights=None):
    return Subject(architecture=architecture, title='"""\nimport nothing', weights=weights)


def test_files_of_a_decoder(tmp_path):
    written = FORMS["huggingface"].write(subject(MODELS["samba"]), tmp_path)
    called = names(MODELS["samba"])
    assert written.loads_as == "transformers.AutoModelForCausalLM"
    assert {refusal.target for refusal in written.refusals} >= {"llama", "mamba"}
    files = {"config.json", "generation_config.json", f"{called.configuration}.py", f"{called.modeling}.py"}
    assert {path.name for path in tmp_path.iterdir()} == files
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architecture"]["input"] == {"class": "TokenInput", "vocab_size": 64}
    expected = {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": len(MODELS["samba"].core), "pad_token_id": None}
    assert expected.items() <= config.items()
    assert config["auto_map"]["AutoModelForCausalLM"] == f"{called.modeling}.NasForCausalLM"


def test_encoder_predicts_hidden_tokens(tmp_path):
    assert HUGGINGFACE.write(subject(MODELS["fnet"]), tmp_path).loads_as == "transformers.AutoModelForMaskedLM"
    assert not (tmp_path / "generation_config.json").exists()
    assert json.loads((tmp_path / "config.json").read_text())["use_cache"] is False


def test_class_of_transformers_is_taken_where_there_is_one(tmp_path):
    written = HUGGINGFACE.write(subject(ZOO["transformer"].build(16, 64)), tmp_path)
    assert written.loads_as == "transformers.LlamaForCausalLM"
    assert not list(tmp_path.glob("*.py"))


def test_weights_are_ours_under_their_names(tmp_path):
    model = build(MODELS["performer"])
    path = tmp_path / "ours.safetensors"
    save_file(weights_of(model), path)
    (tmp_path / "out").mkdir()
    write_custom(subject(MODELS["performer"], path), tmp_path / "out")
    ours, theirs = load_file(path), load_file(tmp_path / "out" / "model.safetensors")
    assert {f"model.{name}" for name in ours} == theirs.keys()
    assert all(np.array_equal(array, theirs[f"model.{name}"]) for name, array in ours.items())


def test_other_weights_are_refused(tmp_path):
    path = tmp_path / "ours.safetensors"
    save_file(weights_of(build(MODELS["performer"])), path)
    with pytest.raises(Invalid, match="not weights of"):
        write_custom(subject(MODELS["samba"], path), tmp_path)


def test_measurements_are_refused():
    architecture = Architecture(d_model=16, input=ContinuousInput(n_channels=3), core=MODELS["samba"].core)
    (refusal,) = HUGGINGFACE.refusals(architecture)
    assert (refusal.target, refusal.field) == ("huggingface", "input")
    assert HUGGINGFACE.refusals(MODELS["samba"]) == ()


@pytest.mark.parametrize("name", ["copies", "deepseek_v3", "fnet", "retnet"])
def test_code_is_tidy(name, tmp_path):
    (tmp_path / "folder").mkdir()
    write_custom(subject(MODELS[name]), tmp_path / "folder")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", str(tmp_path)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
    for path in (tmp_path / "folder").glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
        assert {str(module).partition(".")[0] for module in imported} <= {*sys.stdlib_module_names, "torch", "transformers"}
        assert "import nothing" not in path.read_text()
