"""A bundle holds everything, says the truth about it, and never leaves the workspace."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from nas.errors import Conflict, NotFound
from nas.export import packing
from nas.export.bundle import Corrupt, Source, stream, write_folder
from nas.export.readme import readme
from nas.run import Artifact, Result, Run
from search_spaces.architecture import Architecture

DOCUMENTS = {"README.md", "manifest.json"} | {
    f"{name}.json" for name in ("architecture", "result", "run", "study", "ledger", "provenance")
}
STORED = {"weights/mqar.safetensors", "parity/mqar.safetensors"}


def paths_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_folder_holds_documents_that_parse_back(source: Source, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    write_folder(source, folder)
    assert paths_below(folder) == DOCUMENTS | STORED
    assert Architecture.from_json((folder / "architecture.json").read_text()) == source.trial.architecture
    assert Result.from_json((folder / "result.json").read_text()) == source.trial.result
    run = Run.from_json((folder / "run.json").read_text())
    assert (run.architecture, run.rung, run.resume) == (source.trial.architecture, 1, None)


def test_manifest_names_every_other_file_with_its_digest(source: Source, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    write_folder(source, folder)
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(listed) == (DOCUMENTS | STORED) - {"manifest.json"}
    for path, entry in listed.items():
        content = (folder / path).read_bytes()
        assert entry == {"sha256": sha256(content).hexdigest(), "n_bytes": len(content)}


def test_zip_and_folder_are_the_same(source: Source, tmp_path: Path) -> None:
    write_folder(source, tmp_path / "bundle")
    with zipfile.ZipFile(io.BytesIO(b"".join(stream(source)))) as archive:
        assert archive.testzip() is None
        members = {name: archive.read(name) for name in archive.namelist()}
    assert members == {path: (tmp_path / "bundle" / path).read_bytes() for path in DOCUMENTS | STORED}


def test_zip_holds_one_chunk_in_memory(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "CHUNK_BYTES", 1 << 14)
    tracemalloc.start()
    try:
        total = sum(len(chunk) for chunk in stream(source))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 2_400_000
    assert peak < 1_000_000


def test_trial_without_a_result_is_refused_before_the_first_byte(source_with: Callable[..., Source]) -> None:
    with pytest.raises(Conflict, match="trial 3 is queued and has no result"):
        stream(source_with(scored=False))


def test_missing_file_is_refused_before_the_first_byte(source: Source) -> None:
    next(source.workspace.rglob("weights/mqar.safetensors")).unlink()
    with pytest.raises(NotFound, match=r"weights/mqar.safetensors .* run.json again"):
        stream(source)


def test_file_of_another_size_is_refused_before_the_first_byte(source: Source) -> None:
    next(source.workspace.rglob("weights/mqar.safetensors")).write_bytes(b"short")
    with pytest.raises(Corrupt, match="has 5 bytes"):
        stream(source)


def test_file_with_a_flipped_bit_never_makes_a_whole_bundle(source: Source) -> None:
    weights = next(source.workspace.rglob("weights/mqar.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(Corrupt, match="its SHA-256 differs"):
        list(stream(source))


@pytest.mark.parametrize("path", ["../../../../../../secret", "/etc/hostname", "weights/../../../../../../../secret"])
def test_artifact_outside_the_workspace_is_refused(source_with: Callable[..., Source], tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(Corrupt, match="leads outside the workspace"):
        stream(source_with(Artifact(path=path, sha256="0" * 64, n_bytes=6)))


def test_artifact_that_is_a_link_out_of_the_workspace_is_refused(source: Source, tmp_path: Path) -> None:
    weights = next(source.workspace.rglob("weights/mqar.safetensors"))
    content = weights.read_bytes()
    (tmp_path / "elsewhere").write_bytes(content)
    weights.unlink()
    weights.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Corrupt, match="leads outside the workspace"):
        stream(source)


def test_folder_in_use_is_refused(source: Source, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(Conflict, match="is not empty"):
        write_folder(source, tmp_path)


@pytest.mark.parametrize(("interval", "over"), [("replicas", "seeds and draws"), ("test_sample", "draws")])
def test_readme_says_what_the_interval_covers(source: Source, interval: str, over: str) -> None:
    """And calls no seed fresh: the first one is the seed that was promoted."""
    assert source.trial.result is not None
    text = readme(source.study.spec, source.trial, source.trial.result.model_copy(update={"interval": interval}))
    assert f"over {over} of the test set)" in text
    assert "the first seed's" in text
