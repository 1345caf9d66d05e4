"""Child processes that are restarted when they die and never outlive the process that started them (Linux).

Each child leads a process group of its own. The kernel kills it when its parent dies, however that happened; the parent
adopts whatever a dying child leaves behind, so that the end of the parent is the end of everything.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)

_KILL_GROUP = 'kill -s KILL -- "-$0"'
"""The kernel kills only the leader when we die; Ray's agents see it by themselves, but first report it for up to a minute to a
server that is dead too."""

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_STEADY_SECONDS = 30.0
_LARGEST_LOG_BYTES = 20_000_000


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that nothing escapes `kill_descendants`."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def reap_orphans(own: frozenset[int]) -> None:
    """Collect adopted processes that ended; those in `own` are left to whoever started them."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, 0)


def kill_descendants(timeout_seconds: float = 5.0) -> int:
    """Kill every process below this one and wait for them; returns how many there were."""
    descendants = list(psutil.Process().children(recursive=True))
    for process in descendants:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(descendants, timeout=timeout_seconds)
    return len(descendants)


def die_with_parent(parent: int) -> None:
    """For a child, before anything else: the kernel kills it when its parent dies, which may have happened already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. `grace_seconds` is the time between asking it to stop and killing it."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    log: Path
    descriptors: tuple[int, ...] = ()
    grace_seconds: float = 10.0


class Child:
    """One command kept alive: started again when it ends, later each time that it ends soon."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.restarts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = ExitStack()
        self._started = 0.0
        self._quick_deaths = 0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """The running process, if there is one."""
        return self._process.pid if self._process is not None else None

    def tend(self) -> int | None:
        """Start it if it should run and does not. Returns the exit status when it has just ended, else None."""
        if self._process is None:
            if time.monotonic() >= self._start_at:
                self._start()
            return None
        status = self._process.poll()
        if status is None:
            _roll(self.command.log)
        else:
            self._forget()
            self._plan_restart()
        return status

    @property
    def restarts_in_seconds(self) -> float:
        """How long until the next start of a child that ended."""
        return max(0.0, self._start_at - time.monotonic())

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself, which stops its own children."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait_or_kill(self) -> None:
        """Wait for the grace time, then kill the whole group."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.command.grace_seconds)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._forget()

    def _forget(self) -> None:
        self._guard.close()
        self._process = None

    def _start(self) -> None:
        _roll(self.command.log)
        with self.command.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command.argv,
                env=self.command.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self.command.descriptors,
                process_group=0,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
        self._guard.enter_context(when_we_die(_KILL_GROUP, str(self._process.pid)))
        self._started = time.monotonic()

    def _plan_restart(self) -> None:
        steady = time.monotonic() - self._started >= _STEADY_SECONDS
        self._quick_deaths = 0 if steady else self._quick_deaths + 1
        delay = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2 ** max(0, self._quick_deaths - 1))
        self._start_at = time.monotonic() + delay
        self.restarts += 1


def _roll(log: Path) -> None:
    """Keep one old log, so that a service that runs for months does not fill the disk.

    Copied and emptied: a child that runs goes on appending to the file it has.
    """
    if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".old.log"))
        os.truncate(log, 0)


@contextmanager
def when_we_die(script: str, argument: str) -> Iterator[None]:
    """Inside, a shell script stands by, with one argument as `$0`, for the case that this process is killed outright.

    The shell waits on a pipe that only this process holds open.
    """
    guard = subprocess.Popen(
        ["/bin/sh", "-c", f"read _; {script}", argument],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()
