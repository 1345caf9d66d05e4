"""Folders that are there whole or not at all, and bounded in number."""

import os

import pytest

from nas.data import cache
from nas.data.cache import kept


def is_whole(folder):
    return (folder / "end").exists()


def make(folder):
    (folder / "start").touch()
    (folder / "end").touch()


def refuse(folder):
    pytest.fail(f"{folder} was made again")


def test_folder_is_made_once(tmp_path):
    found = kept(tmp_path / "packs", "a", make, is_whole)
    assert found == tmp_path / "packs" / "a"
    assert kept(tmp_path / "packs", "a", refuse, is_whole) == found
    assert (tmp_path / "packs").stat().st_mode & 0o777 == 0o700


def test_failure_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "start").touch()
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        kept(tmp_path, "a", fail, is_whole)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_is_not_whole_and_what_a_killed_process_left_are_cleared(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "start").touch()
    (tmp_path / ".aside-killed").mkdir()
    assert is_whole(kept(tmp_path, "a", make, is_whole))
    assert {path.name for path in tmp_path.iterdir()} == {"a", "lock"}


def test_process_that_the_lock_does_not_hold_up_may_be_faster(tmp_path):
    def overtaken(folder):
        make(folder)
        (tmp_path / "a").mkdir()
        make(tmp_path / "a")

    assert is_whole(kept(tmp_path, "a", overtaken, is_whole))
    assert {path.name for path in tmp_path.iterdir()} == {"a", "lock"}


def test_folders_that_were_used_last_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MAX_FOLDERS", 3)
    for age, key in enumerate("abc"):
        os.utime(kept(tmp_path, key, make, is_whole), (age, age))
    kept(tmp_path, "a", refuse, is_whole)
    kept(tmp_path, "d", make, is_whole)
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c", "d", "lock"}
