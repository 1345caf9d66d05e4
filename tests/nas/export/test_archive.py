"""A bundle from the network is opened whole or not at all, and only below its folder."""

import io
import json
import stat
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from nas.errors import Conflict, Invalid
from nas.export.archive import receive, unpack, verify_manifest
from nas.export.bundle import Source, stream


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], manifest: dict[str, bytes] | None = None) -> io.BytesIO:
    """A zip of these members; the manifest lists them unless another is given."""
    archive = io.BytesIO()
    listed = (
        manifest if manifest is not None else {name if isinstance(name, str) else name.filename: data for name, data in members}
    )
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in members:
            file.writestr(name, data)
        file.writestr("manifest.json", json.dumps({"files": {name: _entry(data) for name, data in listed.items()}}))
    archive.seek(0)
    return archive


def _entry(data: bytes) -> dict[str, object]:
    return {"sha256": sha256(data).hexdigest(), "n_bytes": len(data)}


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member, target.encode()


def test_unpack_writes_what_was_streamed(source: Source, tmp_path: Path) -> None:
    files = unpack(io.BytesIO(b"".join(stream(source))), tmp_path / "home" / "bundle")
    assert all(path.is_file() for path in files)
    assert {path.name for path in files} >= {"manifest.json", "mqar.safetensors"}
    verify_manifest(tmp_path / "home" / "bundle")


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../outside", "a/../../outside", "..", "a\\..\\b", "C:/outside", "a/"],
)
def test_unpack_refuses_unsafe_names_and_writes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="nothing was written"):
        unpack(packed((name, b"x")), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_unpack_refuses_links(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="not a plain file"):
        unpack(packed(link("weights", "/etc")), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unpack_refuses_a_member_twice(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="a file twice"):
        unpack(packed(("a", b"1"), ("a", b"2")), tmp_path / "bundle")


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"a": b"other"}, "are not what manifest.json says: a"),
        ({}, "disagree about a"),
        ({"a": b"x", "b": b"y"}, "disagree about b"),
    ],
)
def test_unpack_refuses_files_the_manifest_does_not_confirm(tmp_path: Path, manifest: dict[str, bytes], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        unpack(packed(("a", b"x"), manifest=manifest), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_unpack_refuses_what_is_not_a_zip(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="this is not an export"):
        unpack(io.BytesIO(b"<html>"), tmp_path / "bundle")


def test_unpack_refuses_a_truncated_download(source: Source, tmp_path: Path) -> None:
    whole = b"".join(stream(source))
    with pytest.raises(Invalid):
        unpack(io.BytesIO(whole[: len(whole) // 2]), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_unpack_never_overwrites_unless_told(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "mine").write_text("keep")
    with pytest.raises(Conflict, match="--force"):
        unpack(packed(("a", b"x")), folder)
    with pytest.raises(Conflict, match="not an export"):
        unpack(packed(("a", b"x")), folder, replace=True)
    assert (folder / "mine").read_text() == "keep"
    (folder / "mine").rename(folder / "manifest.json")
    unpack(packed(("a", b"x")), folder, replace=True)
    assert {path.name for path in folder.iterdir()} == {"a", "manifest.json"}


def test_unpack_keeps_the_old_folder_when_the_new_one_is_bad(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    unpack(packed(("a", b"x")), folder)
    with pytest.raises(Invalid):
        unpack(packed(("../b", b"y")), folder, replace=True)
    assert (folder / "a").read_bytes() == b"x"


def test_verify_manifest_finds_changed_and_extra_files(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    unpack(packed(("a", b"x")), folder)
    (folder / "a").write_bytes(b"z")
    with pytest.raises(Invalid, match=r"are not what manifest[.]json says: a"):
        verify_manifest(folder)
    (folder / "extra").write_bytes(b"")
    with pytest.raises(Invalid, match="disagree about extra"):
        verify_manifest(folder)


def test_limit_holds_for_what_comes_and_for_what_it_becomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed(("weights", b"0" * 10_000))
    monkeypatch.setattr("nas.export.archive.MAX_BYTES", 5000)
    with pytest.raises(Invalid, match="too large"):
        unpack(bomb, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
    kept = io.BytesIO()
    with pytest.raises(Invalid, match="too large"):
        receive(iter([b"0" * 1000] * 6), kept)
    assert len(kept.getvalue()) == 5000
