"""A bundle from the network is opened whole or not at all, and only below its folder."""

import bz2
import gzip
import io
import json
import lzma
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from nas.errors import Conflict, Invalid
from nas.export.archive import receive, unpack, verify_manifest
from nas.export.bundle import Source, stream
from nas.export.staging import MANIFESTS


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


def taped(*members: tuple[str | tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    """A tar of these members and a manifest over them."""
    archive = io.BytesIO()
    listed = {name if isinstance(name, str) else name.name: _entry(data) for name, data in members}
    manifest = json.dumps({"files": listed}).encode()
    with tarfile.TarFile(fileobj=archive, mode="w", format=form) as file:
        for name, data in (*members, ("export.json", manifest)):
            header = tarfile.TarInfo(name) if isinstance(name, str) else name
            header.size = len(data)
            file.addfile(header, io.BytesIO(data))
    archive.seek(0)
    return archive


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header, b""


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


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside", "a/../../outside", "..", "a\\..\\b", "C:/outside"])
def test_unpack_refuses_unsafe_names_of_a_tar_too(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match="nothing was written"):
        unpack(taped((name, b"x")), tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "member",
    [
        special("weights", tarfile.SYMTYPE, "/etc"),
        special("weights", tarfile.LNKTYPE, "export.json"),
        special("weights", tarfile.FIFOTYPE),
        special("weights", tarfile.CHRTYPE),
        special("weights", tarfile.BLKTYPE),
        special("weights", tarfile.DIRTYPE),
        special("weights", tarfile.CONTTYPE),
        special("weights", b"Z"),
    ],
    ids=["symlink", "hard link", "pipe", "device", "disk", "folder", "contiguous", "unknown"],
)
def test_unpack_refuses_all_but_plain_files_of_a_tar(tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]) -> None:
    with pytest.raises(Invalid, match="not a plain file"):
        unpack(taped(member), tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_unpack_refuses_a_link_that_a_later_member_would_follow(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with pytest.raises(Invalid, match="not a plain file"):
        unpack(taped(special("way", tarfile.SYMTYPE, str(tmp_path / "outside")), ("way/file", b"x")), tmp_path / "export")
    assert list((tmp_path / "outside").iterdir()) == []


def test_unpack_refuses_a_sparse_file_that_is_larger_than_what_came(tmp_path: Path) -> None:
    header = tarfile.TarInfo("weights")
    header.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    with pytest.raises(Invalid):
        unpack(taped((header, b"1\n0\n1\n".ljust(512, b"\0") + b"x")), tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


def test_unpack_reads_no_header_of_any_length(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 34
    endless = io.BytesIO(header.tobuf(tarfile.GNU_FORMAT) + taped(("a", b"x")).getvalue())
    with pytest.raises(Invalid, match=f"a header of {1 << 34} bytes"):
        unpack(endless, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_unpack_refuses_compressed_tars(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid, match="this is not an export"):
        unpack(io.BytesIO(compress(taped(("a", b"x")).getvalue())), tmp_path / "export")


def test_unpack_refuses_what_a_tar_holds_twice_or_holds_half(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="a file twice"):
        unpack(taped(("a", b"1"), ("a", b"2")), tmp_path / "export")
    whole = taped(("a", b"x" * 4096)).getvalue()
    for n_bytes in range(0, 5000, 500):
        with pytest.raises(Invalid):
            unpack(io.BytesIO(whole[:n_bytes]), tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [taped, packed])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unpack_of_a_damaged_archive_is_refused_or_right(tmp_path: Path, make: Callable[..., io.BytesIO]) -> None:
    """Whatever bytes are changed: nothing but the file itself is ever written, and no other error leaves."""
    whole, rng = make(("a", b"the only content")).getvalue(), Random(0)
    for attempt in range(200):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 1, 1, 3, 10))):
            damaged[rng.randrange(len(damaged) if make is packed else 2048)] = rng.choice(
                (0, 1, 255, 47, 46, rng.randrange(256))
            )
        place = tmp_path / str(attempt) / "export"
        with suppress(Invalid):
            unpack(io.BytesIO(damaged), place)
            assert {path.read_bytes() for path in place.iterdir() if path.name not in MANIFESTS} == {b"the only content"}
        assert [path.name for path in tmp_path.rglob("*") if not path.is_relative_to(place) and path.is_file()] == []
        shutil.rmtree(place.parent, ignore_errors=True)


def test_unpack_reads_from_the_start_what_was_just_received(tmp_path: Path) -> None:
    for name, archive in {"zip": packed(("a", b"x")), "tar": taped(("a", b"x"))}.items():
        received = io.BytesIO()
        receive(iter([archive.getvalue()]), received)
        unpack(received, tmp_path / name)
        assert (tmp_path / name / "a").read_bytes() == b"x"


def test_unpack_takes_a_tar_of_any_dialect(tmp_path: Path) -> None:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        unpack(taped(("a/b", b"x"), form=form), tmp_path / str(form))
        assert (tmp_path / str(form) / "a" / "b").read_bytes() == b"x"


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
