"""What the service makes on disk is its owner's alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.private_files import open_lock, private_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_private_folder_is_private_with_all_that_was_missing_above_it(tmp_path: Path) -> None:
    assert private_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b")] == [0o700, 0o700]


def test_private_folder_leaves_a_folder_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    private_folder(tmp_path / "shared" / "own")
    assert [mode(tmp_path / "shared"), mode(tmp_path / "shared" / "own")] == [0o755, 0o700]


def test_private_folder_at_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "file")


def test_lock_can_be_opened_by_its_owner_alone_even_if_it_was_open_to_all(tmp_path: Path) -> None:
    (tmp_path / "old").touch(mode=0o666)
    for name in ("new", "old"):
        with open_lock(tmp_path / name):
            assert mode(tmp_path / name) == 0o600
