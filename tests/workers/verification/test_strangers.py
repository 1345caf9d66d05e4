"""A stranger cannot import us, cannot reach a network, and says why it failed."""

import subprocess
import sys
from pathlib import Path

import pytest

from workers.strangers.alone import OURS
from workers.verification.strangers import PROGRAMS, Errand, strangers

PROGRAM = """
import importlib.metadata
import importlib.util
import socket
import sys

assert importlib.metadata.version("numpy")
for name in sys.argv[1:]:
    assert importlib.util.find_spec(name) is None, name
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(name)
try:
    socket.create_connection(("localhost", 1))
except PermissionError as error:
    print(error)
"""


def test_stranger_has_neither_us_nor_a_network(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-I", str(PROGRAMS / "alone.py"), str(tmp_path / "program.py"), *sorted(OURS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "an export is verified offline" in done.stdout


@pytest.mark.parametrize(
    ("needs", "status", "said"),
    [
        (("no_such_package",), "not checked", "pip install 'nas[verify]'"),
        ((), "failed", "it does not load: FileNotFoundError"),
    ],
)
def test_what_keeps_a_stranger_from_loading_is_said(needs: tuple[str, ...], status: str, said: str, tmp_path: Path) -> None:
    errand = Errand(name="logits", program="absent.py", arguments=(str(tmp_path),), needs=needs, shape=(1, 1, 1))
    with strangers() as helpers:
        check = helpers.send(errand).result()
    assert (check.name, check.status) == ("logits", status)
    assert said in check.detail
