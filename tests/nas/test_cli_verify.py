"""`nas export --format all` and `nas verify`, from a folder or an archive, as a person types them."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from nas.cli.failures import FAILED, MISSING, USAGE
from tests.service import nas


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A looped hybrid of its own code, in every form."""
    out = tmp_path_factory.mktemp("exports") / "all"
    sizes = ("--d-model", "16", "--vocab-size", "32")
    done = nas("export", "zoo:looped_transformer", "--format", "all", "--out", str(out), *sizes)
    assert done.returncode == 0, done.stderr
    return out


def zipped(folder: Path, archive: Path, **extra: str) -> Path:
    with zipfile.ZipFile(archive, "w") as target:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            target.write(path, path.relative_to(folder).as_posix())
        for name, text in extra.items():
            target.writestr(name, text)
    return archive


def test_every_form_of_an_export_verifies(exports: Path) -> None:
    done = nas("verify", str(exports), "--json")
    assert done.returncode == 0, done.stdout
    said = json.loads(done.stdout)
    assert said["ok"]
    checks = {check["name"]: check["status"] for check in said["checks"]}
    assert {checks[f"{form}: logits"] for form in ("huggingface", "torch", "onnx")} == {"ok"}
    assert checks["config: content"] == "ok"


def test_archive_verifies_and_a_changed_one_does_not(exports: Path, tmp_path: Path) -> None:
    archive = zipped(exports / "config", tmp_path / "config.zip")
    done = nas("verify", str(archive))
    assert done.returncode == 0, done.stderr
    assert "ok           content: " in done.stdout
    changed = zipped(exports / "config", tmp_path / "changed.zip", more="text")
    refused = nas("verify", str(changed))
    assert refused.returncode == USAGE
    assert "more" in refused.stderr
    (tmp_path / "no.zip").write_text("no archive")
    assert nas("verify", str(tmp_path / "no.zip")).returncode == USAGE


def test_failed_check_is_named_by_its_form(exports: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(exports, tmp_path / "all")
    (folder / "torch" / "model.py").write_text("raise SystemExit")
    done = nas("verify", str(folder))
    assert done.returncode == FAILED
    assert "torch/model.py is changed" in done.stdout


def test_what_is_no_export_is_said(tmp_path: Path) -> None:
    done = nas("verify", str(tmp_path))
    assert done.returncode == MISSING
    assert "is not an export: it has none of manifest.json, export.json, exports.json" in done.stderr
    done = nas("verify", str(tmp_path / "absent"))
    assert done.returncode == MISSING
    assert "give the folder or the archive" in done.stderr
