"""The CLI finds the server that `nas up` started, and keys go nowhere else."""

import stat
from pathlib import Path

import pytest

from nas.connection import DEFAULT_URL, Connection, find_connection, load_connection, save_connection
from nas.errors import Denied

SAVED = Connection(url="http://127.0.0.1:1234", key="nas_a_b")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    save_connection(tmp_path, SAVED)
    return tmp_path


def test_saved_connection_comes_back(data_dir: Path) -> None:
    assert load_connection(data_dir) == SAVED


def test_saved_key_is_its_owners_alone(data_dir: Path) -> None:
    assert stat.S_IMODE((data_dir / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_key_that_others_can_read_is_refused(data_dir: Path, mode: int) -> None:
    (data_dir / "key").chmod(mode)
    with pytest.raises(Denied, match="chmod 600"):
        find_connection(data_dir=data_dir, environ={})


def test_key_stays_out_of_repr() -> None:
    assert "nas_a_b" not in repr(SAVED)


def test_arguments_come_before_the_environment(data_dir: Path) -> None:
    environ = {"NAS_URL": "http://elsewhere", "NAS_API_KEY": "nas_env"}
    assert find_connection("http://here", "nas_arg", data_dir, environ) == Connection(url="http://here", key="nas_arg")
    assert find_connection(environ=environ) == Connection(url="http://elsewhere", key="nas_env")


def test_data_directory_is_found_through_the_environment(data_dir: Path) -> None:
    assert find_connection(environ={"NAS_DATA_DIR": str(data_dir)}) == SAVED


def test_configuration_directory_comes_last(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "nas"
    folder.mkdir(parents=True)
    save_connection(folder, SAVED)
    environ = {"NAS_DATA_DIR": str(tmp_path / "none"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert find_connection(environ=environ) == SAVED


def test_saved_key_is_not_sent_to_another_server(data_dir: Path) -> None:
    assert find_connection("http://evil.example", data_dir=data_dir, environ={}).key is None
    assert find_connection(SAVED.url + "/", data_dir=data_dir, environ={}).key == SAVED.key


def test_without_anything_the_default_is_tried(tmp_path: Path) -> None:
    environ = {"NAS_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}
    assert find_connection(environ=environ) == Connection(url=DEFAULT_URL)
