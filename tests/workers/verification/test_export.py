"""An export verifies as it was written; whatever was changed is found and named, and no code that came with it runs."""

import json
import os
import py_compile
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from tests.workers.verification.exports import CACHELESS, CUSTOM, MEASURED, NATIVE, as_trained, exported, forge
from workers.verification.check import Check
from workers.verify import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that transformers has, and one that it does not, each in a form of its own."""
    root = tmp_path_factory.mktemp("exports")
    exported(NATIVE, "native", root / "plain")
    exported(CUSTOM, "huggingface", root / "looped")
    exported(CUSTOM, "torch", root / "plainly")
    return root


@pytest.fixture
def native(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "plain" / "native", tmp_path / "native")


@pytest.fixture
def custom(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "looped" / "huggingface", tmp_path / "huggingface")


@pytest.fixture
def plain(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "plainly" / "torch", tmp_path / "torch")


def found(folder: Path) -> dict[str, Check]:
    return {check.name: check for check in verify(folder, None)}


def failure(folder: Path) -> Check:
    """The only check that failed."""
    (check,) = [check for check in verify(folder, None) if check.status == "failed"]
    return check


def test_export_of_a_model_of_measurements_verifies(tmp_path: Path) -> None:
    folder = exported(MEASURED, "torch", tmp_path)
    checks = found(folder)
    assert list(checks) == ["files", "architecture", "content", "weights", "logits", "model"]
    assert {check.status for check in checks.values()} == {"ok"}
    assert 'parity["inputs"]' in (folder / "example.py").read_text()
    assert 'parity["inputs"]' in (folder / "README.md").read_text()
    forge(folder, "parity.safetensors", lambda content: save(load(content) | {"inputs": torch.zeros(2, 4, 2)}))
    assert "which do not fit" in failure(folder).detail


def test_true_native_export_verifies(native: Path) -> None:
    checks = found(native)
    assert list(checks) == ["files", "architecture", "content", "weights", "logits", "model"]
    assert {check.status for check in checks.values()} == {"ok"}
    assert "LlamaForCausalLM in a fresh process without us" in checks["logits"].detail
    assert "same greedy continuation with cache" in checks["logits"].detail


def test_class_whose_cache_does_not_work_is_loaded_without_it(tmp_path: Path) -> None:
    folder = exported(CACHELESS, "native", tmp_path)
    checks = found(folder)
    assert {check.status for check in checks.values()} == {"ok"}
    assert checks["logits"].detail.startswith("GraniteMoeHybridForCausalLM")
    assert checks["logits"].detail.endswith("same greedy continuation")
    assert "generation goes without one" in (folder / "README.md").read_text()


def test_true_custom_export_verifies(custom: Path) -> None:
    checks = found(custom)
    assert {check.status for check in checks.values()} == {"ok"}
    assert "NasForCausalLM" in checks["logits"].detail
    assert "modeling_" in checks["content"].detail


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "parity.safetensors", "README.md"])
def test_changed_file_is_named_and_nothing_more_is_looked_at(native: Path, name: str) -> None:
    content = bytearray((native / name).read_bytes())
    content[len(content) // 2] ^= 1
    (native / name).write_bytes(content)
    (check,) = verify(native, None)
    assert (check.name, check.status) == ("files", "failed")
    assert f"{name} is changed" in check.detail


def test_missing_extra_and_linked_files_are_named(native: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of another")
    (native / "generation_config.json").unlink()
    (native / "more.txt").write_text("")
    config = (native / "config.json").rename(tmp_path / "config.json")
    (native / "config.json").symlink_to(config)
    (native / "below").symlink_to(tmp_path)
    (check,) = verify(native, None)
    for said in ("generation_config.json is missing", "more.txt is extra", "config.json is a link", "below is a link"):
        assert said in check.detail
    assert "secret" not in check.detail


def test_what_python_compiles_where_code_runs_is_said_and_not_confirmed(plain: Path) -> None:
    py_compile.compile(str(plain / "model.py"), doraise=True)
    (check,) = [check for check in verify(plain, None) if check.status != "ok"]
    assert (check.name, check.status) == ("bytecode", "not checked")
    assert "__pycache__" in check.detail
    (plain / "__pycache__" / "model.py").write_text("")
    assert "__pycache__/model.py is extra" in failure(plain).detail


def test_pipe_is_no_file(native: Path) -> None:
    os.mkfifo(native / "pipe")
    assert "pipe is a link or no plain file" in failure(native).detail


def test_code_of_another_model_never_runs(custom: Path, tmp_path: Path) -> None:
    (code,) = custom.glob("modeling_*.py")
    trace = tmp_path / "ran"
    forge(custom, code.name, lambda text: f"open({str(trace)!r}, 'w')\n".encode() + text)
    checks = found(custom)
    assert checks["content"].detail == f"{code.name} is not the code of this architecture; nothing in it was run"
    assert "logits" not in checks
    assert not trace.exists()


def test_code_beside_a_native_export_never_runs(native: Path, tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    forge(native, "modeling_x.py", lambda _: f"open({str(trace)!r}, 'w')".encode())
    assert failure(native).detail.startswith("modeling_x.py is not the code")
    assert not trace.exists()


def test_config_of_another_model_is_named(native: Path) -> None:
    forge(native, "config.json", lambda text: text.replace(b'"rms_norm_eps": ', b'"rms_norm_eps": 1'))
    assert failure(native).detail.startswith("config.json is not the file of this architecture")


def test_what_another_version_wrote_otherwise_is_not_checked(native: Path) -> None:
    versions = json.loads((native / "export.json").read_text())["versions"] | {"nas": "9.9"}
    forge(native, "config.json", lambda text: text + b" ", versions=versions)
    checks = found(native)
    assert checks["content"].status == "not checked"
    assert "as nas 9.9 wrote it" in checks["content"].detail
    assert "logits" not in checks


def test_true_torch_export_verifies_whoever_made_its_weights(plain: Path) -> None:
    as_trained(plain)
    checks = found(plain)
    assert {check.status for check in checks.values()} == {"ok"}
    assert "example.py, model.py" in checks["content"].detail
    assert "with its own weights" in checks["model"].detail


def test_other_weights_give_other_logits(plain: Path) -> None:
    forge(plain, "model.safetensors", lambda content: save({name: 1.01 * tensor for name, tensor in load(content).items()}))
    check = failure(plain)
    assert check.name == "logits"
    assert "largest difference" in check.detail


def test_weights_of_other_shapes_do_not_fit(plain: Path) -> None:
    forge(plain, "model.safetensors", lambda content: save(load(content) | {"norm.weight": torch.ones(3)}))
    check = failure(plain)
    assert check.name == "content"
    assert "not weights of a test" in check.detail


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-100], "cannot be read"),
        (lambda content: content[:40], "cannot be read"),
        (lambda content: (1 << 60).to_bytes(8, "little") + content[8:], "cannot be read"),
        (lambda _: b"", "cannot be read"),
        (lambda content: save({name: x.half() for name, x in load(content).items()}), "other types than float32"),
        (lambda content: save({name: x.double() for name, x in load(content).items()}), "other types than float32"),
    ],
)
def test_damaged_weights_are_not_loaded(native: Path, damage, said: str) -> None:
    forge(native, "model.safetensors", damage)
    check = failure(native)
    assert check.name == "weights"
    assert said in check.detail


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"logits": torch.full((2, 32, 32), float("nan"))}, "no finite float32 numbers"),
        ({"logits": torch.zeros(2, 32, 32)}, "all zero"),
        ({"logits": torch.ones(2, 32, 31)}, "do not fit"),
        ({"logits": torch.ones(2, 32, 32, dtype=torch.float64)}, "no finite float32 numbers"),
        ({"input_ids": torch.full((2, 32), 32)}, "outside the vocabulary"),
        ({"input_ids": torch.zeros(2, 32)}, "do not fit"),
        ({"more": torch.zeros(2)}, "it must have input_ids and logits"),
    ],
)
def test_parity_that_no_model_gave_is_refused(native: Path, changes: dict[str, torch.Tensor], said: str) -> None:
    forge(native, "parity.safetensors", lambda content: save(load(content) | changes))
    check = failure(native)
    assert check.name == "parity"
    assert said in check.detail


def test_other_architecture_is_not_that_of_the_manifest(native: Path) -> None:
    forge(native, "architecture.json", lambda _: CUSTOM.to_json().encode())
    assert failure(native).name == "architecture"


@pytest.mark.parametrize("text", [b"{", b"[]", b'"x"', b"[" * 100_000, b'{"d_model": 4}'])
def test_architecture_that_cannot_be_read_is_said(native: Path, text: bytes) -> None:
    forge(native, "architecture.json", lambda _: text)
    assert failure(native).name == "architecture"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": "nas-export/9", "files": {}}', "format 'nas-export/9'; this version reads 'nas-export/1'"),
        ("{", "cannot be read"),
        ("[]", "no object"),
        ("[" * 100_000, "cannot be read"),
        ('{"format": "nas-export/1"}', "lists no files"),
        ('{"format": "nas-export/1", "files": {"../x": {"sha256": "0"}}}', "../x is missing"),
    ],
)
def test_manifest_that_cannot_be_read_is_said(native: Path, text: str, said: str) -> None:
    (native / "export.json").write_text(text)
    assert said in failure(native).detail


def test_folder_without_a_manifest_is_no_export(tmp_path: Path) -> None:
    assert "nas export did not write it" in failure(tmp_path).detail


def test_export_without_weights_has_no_logits_to_compare(tmp_path: Path) -> None:
    checks = found(exported(NATIVE, "native", tmp_path, weights=False))
    assert checks["content"].status == "ok"
    assert checks["weights"].status == "not checked"
    assert "logits" not in checks
