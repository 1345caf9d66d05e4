"""Children are restarted, later each time, and nothing outlives the process that started them."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from nas.processes import Child, Command

SLEEP = ("sleep", "1000")


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "what was waited for did not happen"
        time.sleep(0.02)


def command(tmp_path: Path, *argv: str, grace_seconds: float = 5.0) -> Command:
    return Command(name="child", argv=argv, environ=dict(os.environ), log=tmp_path / "child.log", grace_seconds=grace_seconds)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def end_of(child: Child) -> int:
    """Tend the child until it ends; its status."""
    give_up = time.monotonic() + 20
    while (status := child.tend()) is None:
        assert time.monotonic() < give_up, "the child does not end"
        time.sleep(0.02)
    return status


def test_child_writes_its_log_and_reports_its_end_once(tmp_path: Path) -> None:
    child = Child(command(tmp_path, "sh", "-c", "echo hello; exit 3"))
    assert end_of(child) == 3
    assert child.tend() is None
    assert (tmp_path / "child.log").read_text() == "hello\n"


def test_child_that_dies_is_started_again_later_each_time(tmp_path: Path) -> None:
    child = Child(command(tmp_path, "false"))
    delays = []
    for _ in range(3):
        end_of(child)
        delays.append(child.restarts_in_seconds)
    assert child.restarts == 3
    assert delays == sorted(delays)
    assert delays[-1] > 1.5 * delays[0]


def test_child_that_ignores_sigterm_is_killed_with_its_group(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000"
    child = Child(command(tmp_path, "sh", "-c", script, grace_seconds=0.2))
    child.tend()
    wait_for(lambda: (tmp_path / "child.log").exists() and (tmp_path / "child.log").read_text().endswith("\n"))
    grandchild = int((tmp_path / "child.log").read_text())
    child.ask_to_stop()
    child.wait_or_kill()
    assert child.pid is None
    wait_for(lambda: is_gone(grandchild))


def test_large_log_is_rolled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.processes._LARGEST_LOG_BYTES", 3)
    (tmp_path / "child.log").write_text("older")
    child = Child(command(tmp_path, *SLEEP))
    child.tend()
    child.ask_to_stop()
    child.wait_or_kill()
    assert (tmp_path / "child.old.log").read_text() == "older"


def test_log_of_a_child_that_never_ends_is_rolled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.processes._LARGEST_LOG_BYTES", 3)
    log = tmp_path / "child.log"
    child = Child(command(tmp_path, "sh", "-c", "echo first; while [ -s child.log ]; do sleep 0.01; done; echo 2; sleep 1000"))
    monkeypatch.chdir(tmp_path)
    child.tend()
    wait_for(lambda: log.read_text() == "first\n")
    child.tend()
    wait_for(lambda: log.read_text() == "2\n")
    assert (tmp_path / "child.old.log").read_text() == "first\n"
    child.ask_to_stop()
    child.wait_or_kill()


PARENT = """
    import os, sys, time
    from pathlib import Path
    from nas.processes import Child, Command, adopt_orphans, kill_descendants, when_we_die

    folder = Path(sys.argv[1])
    adopt_orphans()
    child = Child(Command(name="c", argv=("sleep", "1000"), environ=dict(os.environ), log=folder / "c.log"))
    child.tend()
    with when_we_die('touch "$0"', str(folder / "heir")):
        # an orphan: its parent ends at once
        os.system("sh -c 'sleep 1000 & echo $! > %s/orphan'" % folder)
        (folder / "pids").write_text("%d" % child.pid)
        if sys.argv[2] == "end":
            print(kill_descendants())
            sys.exit(0)
        time.sleep(1000)
"""


def start_parent(tmp_path: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), how], stdout=subprocess.PIPE, text=True
    )


def test_killed_parent_takes_its_children_with_it_and_leaves_an_heir(tmp_path: Path) -> None:
    with start_parent(tmp_path, "wait") as parent:
        wait_for(lambda: (tmp_path / "pids").exists() and bool((tmp_path / "pids").read_text()))
        child = int((tmp_path / "pids").read_text())
        assert not is_gone(child)
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: is_gone(child))
    wait_for(lambda: (tmp_path / "heir").exists())
    os.kill(int((tmp_path / "orphan").read_text()), signal.SIGKILL)


def test_parent_finds_and_kills_orphans_when_it_ends(tmp_path: Path) -> None:
    with start_parent(tmp_path, "end") as parent:
        out, _ = parent.communicate(timeout=60)
    assert int(out) >= 2
    assert is_gone(int((tmp_path / "orphan").read_text()))
    assert is_gone(int((tmp_path / "pids").read_text()))
    assert not (tmp_path / "heir").exists()
